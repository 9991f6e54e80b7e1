# SPDX-License-Identifier: ISC
# fake.sh: fakekms.py from a script.  Needs lib.sh; certificates by an own CA.
#	fake_start	FPORT (kept across restarts), FTLS, F=http://127.0.0.1:$FPORT
#	fake_stop, fake_rotate, fake_mode MODE
fake_pid= FPORT= FTLS=
fake_files() {
	mkdir -p "$D/fake"
	[ -f "$D/fake/rsa.pub" ] && return 0
	(cd "$D/fake" && openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key \
	    -out ca.pem -subj /CN=fake-ca -days 2 &&
	    openssl req -newkey rsa:2048 -nodes -keyout tls.key -out tls.csr -subj /CN=x &&
	    echo 'subjectAltName=DNS:localhost,DNS:vault.test,IP:127.0.0.1' > ext &&
	    openssl x509 -req -in tls.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
	    -out tls.pem -days 2 -extfile ext &&
	    openssl genpkey -algorithm RSA -out rsa.pem &&
	    openssl pkey -in rsa.pem -pubout -out rsa.pub) > "$D/fake/log" 2>&1
}
fake_start() {
	fake_files || return 1
	rm -f "$D/fake/in" "$D/fake/ports"
	mkfifo "$D/fake/in"
	FPORT=${FPORT:-$(free_port)}
	python3 "$top/regress/scenario/fakekms/fakekms.py" -c "$D/fake/tls.pem" \
	    -k "$D/fake/tls.key" -p "$D/fake/rsa.pub" -s "$D/fake" -l "$FPORT" \
	    < "$D/fake/in" > "$D/fake/ports" 2> "$D/fake/err" &
	fake_pid=$!
	exec 9> "$D/fake/in"
	soon 60 has "$D/fake/ports" '^[0-9]+ [0-9]+$'
	read -r FPORT FTLS < "$D/fake/ports"
	F=http://127.0.0.1:$FPORT
}
fake_stop() {
	exec 9>&-	# a gateway may have it still: that is why it is killed
	[ -z "$fake_pid" ] || { kill "$fake_pid"; wait "$fake_pid" 2> /dev/null; }
	fake_pid=
}
fake_rotate() { curl -s -o /dev/null "$F/_rotate"; }
fake_mode() { curl -s -o /dev/null "$F/_mode/$1"; }

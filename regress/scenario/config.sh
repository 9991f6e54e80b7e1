# SPDX-License-Identifier: ISC
# Configuration errors name file and line; -n changes nothing; macros, include.
. regress/scenario/lib.sh
c=$D/c; mkdir "$c"
n() { "$OUT/sbin/proxyd" -n -c "$c" 2>&1; }
good() { cp etc/proxyd.conf etc/keybrokerd.conf "$c/"; }
good
out=$(n); is $? 0 "shipped files"
printf 'listen on 127.0.0.1 port 9620\nworkers 99\n' > "$c/proxyd.conf"
out=$(n); is $? 78 "an error is exit 78"
like "$out" 'proxyd.conf:2: workers is not 1-16' "file and line"
printf 'listen on 192.0.2.1 port 80\n' > "$c/proxyd.conf"
like "$(n)" 'proxyd.conf:1: .*insecure' "plain HTTP beyond loopback needs the word"
printf 'listen on 192.0.2.1 port 80 insecure\n' > "$c/proxyd.conf"
out=$(n); is $? 0 "with it, it parses"
printf 'listen on 192.0.2.1 port 80 insecure class both\n' > "$c/proxyd.conf"
like "$(n)" 'loopback only' "class both is for loopback"
printf 'myport = "9620"\nlisten on 127.0.0.1 port $myport\n' > "$c/proxyd.conf"
out=$(n); is $? 0 "a macro"
printf 'include "%s/more.conf"\n' "$c" > "$c/proxyd.conf"
printf 'listen on ::1 port 9620\nbogus\n' > "$c/more.conf"
like "$(n)" 'more.conf:2: ' "an error inside an include names that file"
rm "$c/proxyd.conf"
like "$(n)" 'proxyd.conf: No such file' "-c with a missing file is an error"
good
printf 'provider x {\n dialect openai\n url "http://example.com/v1"\n key env A\n}\n' > "$c/keybrokerd.conf"
like "$(n)" 'would send the key in clear' "http:// upstream beyond loopback"
printf 'provider x {\n dialect openai\n url "ftp://example.com"\n key env A\n}\n' > "$c/keybrokerd.conf"
like "$(n)" 'keybrokerd.conf:3: .*https://' "a url of another kind"
printf 'model "x-*" nobody\nprovider x { dialect openai; url "https://a"; key none }\n' > "$c/keybrokerd.conf"
like "$(n)" 'no provider nobody' "a model of an unknown provider"
printf 'provider x { dialect openai; url "https://a"; key none }\nprovider x { dialect openai; url "https://a"; key none }\n' > "$c/keybrokerd.conf"
like "$(n)" 'x is there twice' "a provider twice"
[ -z "$(find "$D" -name lock -o -name vault.key)" ]; ok $? "-n made nothing"
like "$("$OUT/sbin/proxyd" -V)" '^proxyd 1\.' "-V"
like "$("$OUT/sbin/keybrokerd" 2>&1 < /dev/null; echo $?)" '78' "keybrokerd by hand says how it is started"
finish

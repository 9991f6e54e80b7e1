# SPDX-License-Identifier: ISC
# A worker that has made the calls of a life is replaced, on the broker's count:
# under load no call fails, a stream outlives its worker's replacement, a kept
# connection is answered once more and then closed.
. regress/scenario/lib.sh
WORKERS=2
EXTRA_P='limit worker-calls 40
limit idle 600
grace 1'
gw_start
ctl status > "$D/before"
gens() { ctl status | sed -n 's/^worker .*generation \([0-9]*\) restarts.* up.*/\1/p' | sort -n; }
oldest() { gens | head -n 1; }
# turned N: every seat has been given to a later generation than N
turned() {
	for _ in $(seq 600); do
		g=$(oldest)
		[ "$(gens | grep -c .)" = 2 ] && [ "${g:-0}" -gt "$1" ] && return 0
		sleep 0.1
	done
	return 1
}
like "$(cat "$D/before")" 'worker 1 class both .*generation 2 ' "two workers, first of their places"

# A stream of 5 s and an idle connection, both on workers that will go.
(chat_stream mode-drip-50-100 hi > "$D/stream"; echo > "$D/streamed") & stream=$!
cat > "$D/idle.pl" <<'P'
use IO::Socket::INET;
my ($port, $key, $dir) = @ARGV;
my $s = IO::Socket::INET->new("127.0.0.1:$port") or die;
my $q = "GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $key\r\n\r\n";
sub answer {
	my ($b, $v) = ('', '');
	print $s $q;
	$s->flush;
	while ($b !~ /\r\n\r\n/ || length($') < ($b =~ /^content-length: *(\d+)/mi)[0]) {
		sysread($s, $b, 65536, length $b) or last;
	}
	return join ' ', $b =~ m{^HTTP/1.1 (\d+)}, $b =~ /^connection: *close/mi ? 'close' : 'keep';
}
print answer(), "\n";
open(my $f, '>', "$dir/asked") or die; close $f;
select(undef, undef, undef, 0.05) until -e "$dir/again" || getppid() == 1;
print answer(), "\n";
print sysread($s, my $x, 1) ? "more\n" : "end\n";
P
perl "$D/idle.pl" "$PORT" "$K" "$D" > "$D/idle" & idle=$!
for _ in $(seq 300); do [ -e "$D/asked" ] && break; sleep 0.1; done

LOAD_OUT=$D/load perl regress/scenario/load.pl "$PORT" "$K" 8 600 gpt-4o-mini & load=$!
turned 12; ok $? "both places have been given on, again and again"
kids=$(cat /proc/$load/task/$load/children)
kill $load; wait $load 2>/dev/null
for k in $kids; do for _ in $(seq 600); do kill -0 "$k" 2>/dev/null || break; sleep 0.1; done; done
n=$(wc -l < "$D/load" | tr -d ' ')
[ "$n" -ge 400 ]; ok $? "under load: $n calls"
is "$(grep -cv '^200 ' "$D/load")" 0 "none failed, no connection lost"
: > "$D/again"
wait $idle
is "$(tr '\n' ' ' < "$D/idle")" '200 keep 200 close end ' \
    "a connection idle since before is answered, and then closed"
wait $stream
like "$(cat "$D/stream")" '^data: \[DONE\]' "a stream begun before finishes, past the grace of a stop"
unlike "$(cat "$D/log")" 'worker-?[0-9 ]*,? ended' "no worker died of it"
like "$(ctl status)" 'worker 0 .*restarts 0 ' "nor counts it as a restart"
gw_stop
is "$gw_status" 0 "clean stop"
like "$(verify "$D/state" | tail -n 1)" 'orphans=0 open=0 .*intact$' "intact"
finish

# SPDX-License-Identifier: ISC
# An egress that comes up while there is no broker belongs to the next one: it
# is held still until the broker was killed, the next broker until the egress
# is up.  Without a link between them the provider would be out of service.
. regress/scenario/lib.sh
VERBOSE=1
gw_start
is "$(code chat gpt-4o-mini first)" 200 "the gateway serves"
keyd=$(role_pid keybrokerd)
# kills PID..., then stops the next processes of ROLE, as many, before they are
# ready; their pids
swap() {	# ROLE PID...
	perl -e 'my ($keyd, $role, @old) = @ARGV; my (%old, @new);
	    @old{@old} = (); kill 9, @old;
	    my $end = time() + 60;
	    while (@new < @old && time() < $end) {
		open(my $f, "<", "/proc/$keyd/task/$keyd/children") or die;
		for my $p (split " ", <$f> // "") {
			next if exists $old{$p};
			next if (readlink("/proc/$p/exe") // "") !~ m{/$role$};
			kill "STOP", $p;
			$old{$p} = 1;
			push @new, $p;
		}
	    }
	    print "@new\n";' "$keyd" "$@"
}
other() { [ "$(code messages claude-haiku-4-5 hi)" = 200 ]; }
for round in 1 2 3; do
	# openai's and anthropic's
	e=$(swap egress $(role_pids egress))
	b=$(swap broker "$(role_pid broker)")
	kill -CONT $e
	for p in $e; do soon 60 has "$D/log" "egress .* is up, pid $p\b"; done
	kill -CONT "$b"
	soon 60 serves 200; ok $? "round $round: egress $e before broker $b: served"
	soon 60 other; ok $? "and by the other provider"
	sleep 5
done
gw_stop
is "$gw_status" 0 "clean stop"
like "$(verify "$D/state" | tail -n 1)" ': intact$' "the record verifies"
finish

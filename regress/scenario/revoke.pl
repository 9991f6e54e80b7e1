#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# revoke.pl PORT ADMINKEY N [LEDGERPID]: 2N streams are open, each with a key of
# its own; N of these keys are revoked one after the other.  Clocked at the
# client: from the first byte of the DELETE to the end of that key's stream.
# With LEDGERPID the ledger is stopped meanwhile and goes on after 10 s.
# Prints "name value" lines.
#
# Two processes of our own exchange a byte all the while: what such an exchange
# took too long is time that the machine gave to nobody who asked for it.  It is
# taken off (p99_ms); clock_p99_ms is with it.
use strict;
use warnings;
use IO::Socket::INET;
use IO::Select;
use Socket;
use Time::HiRes qw(time sleep);

my ($port, $admin, $n, $ledger) = @ARGV;
$SIG{PIPE} = 'IGNORE';

sub dial {
	my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die "connect: $!";
	binmode $s;
	return $s;
}
sub ask {	# one request on a kept connection; the answer
	my ($s, $text) = @_;
	syswrite $s, $text;
	my $buf = '';
	while ($buf !~ /\r\n\r\n/ || length($buf) < $+[0] + ($buf =~ /content-length: (\d+)/i ? $1 : 0)) {
		sysread($s, $buf, 65536, length $buf) or last;
		$buf =~ /\r\n\r\n/;
	}
	return $buf;
}
sub post {
	my ($key, $path, $body) = @_;
	return "POST $path HTTP/1.1\r\nhost: x\r\nauthorization: Bearer $key\r\n" .
	    "content-type: application/json\r\ncontent-length: " . length($body) . "\r\n\r\n$body";
}
my ($ctl, $said);
sub witness {	# "START EXCESS" lines, when $ctl is closed
	pipe(my $go, $ctl) or die;
	pipe($said, my $say) or die;
	socketpair(my $x, my $y, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die;
	if (!(fork() // die "fork")) {
		close $_ for $ctl, $x, $said, $say;
		syswrite $y, $_ while sysread $y, $_, 1;
		exit 0;
	}
	if (!(fork() // die "fork")) {
		close $_ for $ctl, $y, $said;
		my ($end, @row) = (IO::Select->new($go));
		for (;;) {
			my $t = time;
			last if $end->can_read(0.002);
			for (1 .. 2) { syswrite $x, 'x'; sysread $x, $_, 1 }
			push @row, sprintf "%.6f %.6f\n", $t, time - $t - 0.002;
		}
		print $say @row;
		close $say;
		exit 0;
	}
	close $_ for $go, $say, $x, $y;
}
my @held;
sub withheld {	# seconds between two times
	my ($from, $to) = @_;
	my $sum = 0;
	for (@held) {
		my ($t, $e) = @$_;
		last if $t > $to;
		my $has = ($t + $e + 0.002 < $to ? $t + $e + 0.002 : $to) - ($t > $from ? $t : $from);
		$sum += $has < $e ? $has : $e if $has > 0 && $e > 0;
	}
	return $sum;
}
witness();
my $c = dial();
my (@key, @id, @s, %of, @buf);
for (1 .. 2 * $n) {
	my $a = ask($c, post($admin, '/agents/default/developer-keys', '{"developer_email":"s@x","expires_days":1}'));
	$a =~ /"api_key":"(tp_dev_\w+)","key_id":"(dk_\w+)"/ or die "no key: $a";
	push @key, $1; push @id, $2;
}
my $sel = IO::Select->new;
for my $i (0 .. 2 * $n - 1) {
	$s[$i] = dial();
	syswrite $s[$i], post($key[$i], '/v1/chat/completions', '{"model":"mode-drip-4000-200","stream":true,"messages":[]}');
	$buf[$i] = '';
	$of{fileno $s[$i]} = $i;
	$sel->add($s[$i]);
}
my %end;
sub pump {	# read what is there, for at most t seconds
	my ($t) = @_;
	for my $h ($sel->can_read($t)) {
		my $i = $of{fileno $h};
		my $r = sysread $h, $buf[$i], 65536, length $buf[$i];
		next if $r;
		$end{$i} = time;
		$sel->remove($h);
		close $h;
	}
}
my $until = time + 120;
pump(0.1) while time < $until && grep { !/"content"/ } @buf;
my $open = grep { /"content"/ } @buf;
print "open $open\n";
kill STOP => $ledger if $ledger;
my $stopped = time;
my (@took, @del);
for my $i (0 .. $n - 1) {
	last if $ledger && time > $stopped + 9;
	my $d = dial();
	my $t = time;
	syswrite $d, "DELETE /agents/default/developer-keys/$id[$i] HTTP/1.1\r\nhost: x\r\nauthorization: Bearer $admin\r\nconnection: close\r\n\r\n";
	push @del, [$i, $d];
	pump(0.05) while !exists $end{$i} && time < $t + 15;
	push @took, [$t, $end{$i} // $t + 15];
}
if ($ledger) {
	print "stalled_answers ", scalar(grep { IO::Select->new($_->[1])->can_read(0) } @del), "\n";
	my $left = $stopped + 10 - time;
	while (($left = $stopped + 10 - time) > 0) { pump($left) }
	kill CONT => $ledger;
}
my $ok = 0;
for (@del) {
	my $b = '';
	while (sysread $_->[1], $b, 65536, length $b) { }
	$ok++ if $b =~ m{^HTTP/1.1 200 };
}
my @cut = map { $buf[$_] } 0 .. $#took;
close $ctl;
@held = map { [split] } <$said>;
sub share { my ($p, @v) = @_; return (sort { $a <=> $b } @v)[int($p * $#v)] * 1000 }
my @clock = map { $_->[1] - $_->[0] } @took;
my @own = map { $_->[1] - $_->[0] - withheld(@$_) } @took;
printf "revoked %d\n", scalar @took;
printf "p50_ms %.1f\nclock_p50_ms %.1f\n", share(0.5, @own), share(0.5, @clock);
printf "p99_ms %.1f\nclock_p99_ms %.1f\n", share(0.99, @own), share(0.99, @clock);
print "answered $ok\n";
# The egress's word may come before the broker's: then the text is general.
print "error_events ", scalar(grep { /data: \{"error":/ } @cut), "\n";
print "false_ends ", scalar(grep { /\r\n0\r\n\r\n$|\[DONE\]/ } @cut), "\n";
pump(0.01) for 1 .. 50;
print "others_cut ", scalar(grep { $_ >= @took } keys %end), "\n";

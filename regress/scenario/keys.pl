#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# keys.pl PORT ADMINKEY SECONDS FILE: see keys.sh.  Four clients make agents and
# keys and revoke them, each revocation by two of them at once.  FILE gets the
# acknowledged changes, FILE.asked those whose answer never came.  They go on until
# there is FILE.stop, SECONDS at most.
use strict;
use warnings;
use IO::Socket::INET;
use Time::HiRes qw(time sleep);

my ($port, $admin, $seconds, $file) = @ARGV;
$SIG{PIPE} = 'IGNORE';
my $end = time + $seconds;

sub ask {
	my ($method, $path, $body) = @_;
	my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 5) or return '';
	$body //= '';
	syswrite $s, "$method $path HTTP/1.1\r\nhost: x\r\nauthorization: Bearer $admin\r\nconnection: close\r\n" .
	    "content-length: " . length($body) . "\r\n\r\n$body";
	my $b = '';
	local $SIG{ALRM} = sub { die };
	eval { alarm 60; while (sysread $s, $b, 65536, length $b) { } alarm 0; };
	alarm 0;
	return $b;
}
my @kids;
for my $me (1 .. 4) {
	my $pid = fork // die;
	if ($pid) { push @kids, $pid; next }
	open my $ack, '>>', "$file.$me" or die;
	open my $lost, '>>', "$file.asked.$me" or die;
	$ack->autoflush(1); $lost->autoflush(1);
	my ($n, $bad) = (0, 0);
	while (time < $end && !-e "$file.stop") {
		$n++;
		my $agent = "a$me-$n";
		my $a = ask('POST', '/agents', "{\"agent_id\":\"$agent\"}");
		if ($a =~ m{^HTTP/1.1 201 }) { print $ack "agent $agent\n" }
		elsif ($a !~ m{^HTTP/1.1 50[0-9] } || $a =~ /did not decide|lost/) { print $lost "agent $agent\n"; $bad++ }
		else { $bad++ ; print $lost "agent $agent\n" }
		$a = ask('POST', '/agents/default/developer-keys', '{"developer_email":"k@x","expires_days":1}');
		if ($a !~ m{^HTTP/1.1 201 .*"key_id":"(dk_\w+)"}s) {
			print $lost "create ?\n";
			$bad++;
			sleep 0.1;
			next;
		}
		my $id = $1;
		print $ack "create $id\n";
		# two admins at once
		my $kid = fork // die;
		$a = ask('DELETE', "/agents/default/developer-keys/$id");
		if (!$kid) { exit($a =~ m{^HTTP/1.1 200 } ? 0 : 1) }
		waitpid $kid, 0;
		my $two = $? == 0;
		if ($a =~ m{^HTTP/1.1 200 } || $two) { print $ack "revoke $id\n" }
		else { print $lost "revoke $id\n"; $bad++ }
	}
	print "client $me: $n rounds, $bad without an answer\n";
	exit 0;
}
my $r = 0;
for (@kids) { waitpid $_, 0; $r |= $? }
for my $what ('', '.asked') {
	open my $o, '>', "$file$what" or die;
	for (1 .. 4) {
		open my $i, '<', "$file$what.$_" or next;
		print $o $_ while <$i>;
	}
}
exit($r ? 1 : 0);

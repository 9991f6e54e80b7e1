#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# keysload.pl PORT ADMINKEY AGENTS KEYS CLIENTS: makes AGENTS agents a0.. and KEYS
# keys over them, through so many connections.  One key in a thousand is printed.
use strict;
use warnings;
use IO::Socket::INET;

my ($port, $admin, $agents, $keys, $clients) = @ARGV;
$SIG{PIPE} = 'IGNORE';
$| = 1;
sub post {
	my ($s, $path, $body) = @_;
	syswrite $s, "POST $path HTTP/1.1\r\nhost: x\r\nauthorization: Bearer $admin\r\n" .
	    "content-type: application/json\r\ncontent-length: " . length($body) . "\r\n\r\n$body";
	my $buf = '';
	while ($buf !~ /\r\n\r\n/ || length($buf) < $+[0] + ($buf =~ /content-length: (\d+)/i ? $1 : 0)) {
		sysread($s, $buf, 65536, length $buf) or return '';
		$buf =~ /\r\n\r\n/;
	}
	return $buf;
}
sub fan {
	my ($n, $fn) = @_;
	my $bad = 0;
	for my $c (0 .. $clients - 1) {
		fork() // die and next;
		my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or exit 1;
		for (my $i = $c; $i < $n; $i += $clients) {
			exit 1 unless $fn->($s, $i);
		}
		exit 0;
	}
	while (wait() != -1) { $bad++ if $?; }
	return $bad;
}
my $bad = fan($agents, sub { post($_[0], '/agents', "{\"agent_id\":\"a$_[1]\"}") =~ m{^HTTP/1.1 201} });
$bad += fan($keys, sub {
	my ($s, $i) = @_;
	my $a = post($s, '/agents/a' . $i % $agents . '/developer-keys',
	    '{"developer_email":"s@x","expires_days":30}');
	return 0 unless $a =~ /"api_key":"(tp_dev_\w+)"/;
	print "$1\n" if $i % 1000 == 0;
	return 1;
});
exit $bad ? 1 : 0;

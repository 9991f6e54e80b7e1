#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# load.pl PORT KEY CONCURRENCY SECONDS MODEL: plain HTTP calls on loopback, each
# client on a kept connection while it lasts.  Prints for each answer
# "STATUS REQUEST-ID MILLISECONDS", "LOST" for a connection that broke.
use strict;
use warnings;
use IO::Socket::INET;
use Time::HiRes qw(time sleep);

my ($port, $key, $conc, $secs, $model, $stream) = @ARGV;
$| = 1;
my $end = time() + $secs;
my $parent = $$;
for my $c (1 .. $conc) {
	my $pid = fork() // die "fork";
	next if $pid;
	my ($s, $n) = (undef, 0);
	my $buf = '';
	open(my $out, '>>', $ENV{LOAD_OUT}) or die;
	$out->autoflush(1);
	# An orphan ends: its test is over.
	while (time() < $end && getppid() == $parent) {
		if (!$s) {
			$s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Timeout => 5);
			if (!$s) { sleep 0.02; next; }
			$buf = '';
		}
		$n++;
		my $st = $stream ? '"stream":true,' : '';
		my $body = "{\"model\":\"$model\",$st\"messages\":[{\"role\":\"user\",\"content\":\"load $$ $n\"}]}";
		my $t = time();
		print $s "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $key\r\n" .
		    "Content-Type: application/json\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
		$s->flush;
		my ($status, $id, $ok) = answer($s, \$buf);
		printf $out "%s %s %.1f\n", $ok ? $status : 'LOST', $id // '-', (time() - $t) * 1000;
		if (!$ok || $ok == 2 || $status ne '200') {
			close $s;
			undef $s;
			sleep 0.01 if !$ok || $status ne '200';
		}
	}
	exit 0;
}
1 while wait() != -1;

sub more {
	my ($s, $buf) = @_;
	my $r = '';
	vec($r, fileno($s), 1) = 1;
	return 0 if select($r, undef, undef, 20) <= 0;
	my $n = sysread($s, $$buf, 65536, length $$buf);
	return $n ? 1 : 0;
}
sub answer {
	my ($s, $buf) = @_;
	while ($$buf !~ /\r\n\r\n/) { more($s, $buf) or return ('', undef, 0); }
	$$buf =~ s/^(.*?)\r\n\r\n//s;
	my $head = $1;
	my ($status) = $head =~ m{^HTTP/1.1 (\d+)};
	my ($id) = $head =~ /^x-request-id: *req_([0-9a-f]+)/mi;
	if ($head =~ /^content-length: *(\d+)/mi) {
		my $l = $1;
		while (length $$buf < $l) { more($s, $buf) or return ($status, $id, 0); }
		substr($$buf, 0, $l) = '';
	} elsif ($head =~ /^transfer-encoding: *chunked/mi) {
		for (;;) {
			while ($$buf !~ /^([0-9a-fA-F]+)\r\n/) { more($s, $buf) or return ($status, $id, 0); }
			my $l = hex $1;
			my $need = length($1) + 2 + $l + 2;
			while (length $$buf < $need) { more($s, $buf) or return ($status, $id, 0); }
			substr($$buf, 0, $need) = '';
			last if !$l;
		}
	} else { 1 while more($s, $buf); return ($status, $id, 0); }
	return ($status, $id, $head =~ /^connection: *close/mi ? 2 : 1);
}

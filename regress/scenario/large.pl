#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# large.pl PORT KEY PROVIDERLOG: see large.sh.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Raw;
use Socket qw(SOL_SOCKET SO_SNDBUF);

my ($port, $key, $log) = @ARGV;
my ($good, $chat) = (0, '/v1/chat/completions');

sub body {
	my ($size, $tag) = @_;
	my ($x, $y) = ("{\"tag\":\"$tag\",\"model\":\"gpt-4o-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"", '"}]}');
	return $x . 'l' x ($size - length("$x$y")) . $y;
}

for my $size (76 << 10, 300 << 10, 5 << 20, 32 << 20) {
	my $b = body($size, "size");
	my $at = -s $log;
	my $t = now();
	my $a = call($port, post($key, $chat, $b), 120);
	my $ms = (now() - $t) * 1000;
	my $row = log_wait($log, $at, 60, sub { $_[0]{event} eq 'request' });
	$good++;
	check($a && $a->{status} == 200 && $a->{whole} && $row && $row->{complete} && $row->{sha256} eq sha256_hex($b),
	    "$size bytes arrive as they are", $a && $a->{head}, $row && $row->{received});
	diag(sprintf '%d bytes: %.0f ms', $size, $ms);
}

# Many at once: more than the budget of one worker would bear if it were spent
# on what is declared and not on what is here.
{
	my $at = -s $log;
	my $t = now();
	my (@pid, %want);
	for my $i (1 .. 20) {
		my $b = body(5 << 20, "many-$i");
		$want{sha256_hex($b)} = 1;
		my $pid = fork() // die "fork: $!";
		if (!$pid) {
			my $a = call($port, post($key, $chat, $b), 240);
			exit($a && $a->{status} == 200 && $a->{whole} ? 0 : 1);
		}
		push @pid, $pid;
	}
	my $bad = 0;
	for (@pid) { waitpid($_, 0); $bad++ if $?; }
	my $hit = grep { $_->{event} eq 'request' && $_->{complete} && delete $want{$_->{sha256}} } log_rows($log, $at);
	$good += 20;
	check(!$bad && $hit == 20, '20 uploads of 5 MB at once', "$bad failed, $hit arrived");
	diag(sprintf '20 x 5 MB: %.1f s', now() - $t);
}

# A stranger: declared, with chunks, with Expect, with a key of the right form.
my $at = -s $log;
my $big = 's' x (32 << 20);
my $flip = substr($key, 0, -1) . (substr($key, -1) eq 'a' ? 'b' : 'a');
my @strange = (
	['no key', ''],
	['a mistyped key', "Authorization: Bearer $flip\r\n"],
	["an unknown key", 'Authorization: Bearer tp_dev_AAAAAAAAAAAA_0123456789012345678901234567890123456789012aaaaaa' . "\r\n"],
	['an unshaped key', "X-Api-Key: tp_abcdefghijklmnopqrstuvwxyz\r\n"],
	['a provider key', "Authorization: Bearer sk-abcdefghijklmnop\r\n"],
);
for my $s (@strange) {
	for my $chunked (0, 1) {
		my $c = dial($port);
		# A small buffer here: what is taken is what the other side takes.
		setsockopt($c->{s}, SOL_SOCKET, SO_SNDBUF, 65536);
		put($c, "POST $chat HTTP/1.1\r\nHost: x\r\n$s->[1]Content-Type: application/json\r\n" .
		    ($chunked ? "Transfer-Encoding: chunked\r\n\r\n2000000\r\n" : 'Content-Length: ' . length($big) . "\r\n\r\n"));
		# Blind to the answer, as many clients are, until the socket is full.
		my $took = 0;
		my $end = now() + 2;
		while ($took < length $big && now() < $end) {
			my $w = '';
			vec($w, fileno($c->{s}), 1) = 1;
			last if select(undef, $w, undef, 1) <= 0;
			local $SIG{PIPE} = 'IGNORE';
			my $n = syswrite($c->{s}, $big, 65536, $took);
			last if !defined $n && !$!{EAGAIN};
			$took += $n // 0;
		}
		my $a = answer($c, 30);
		my $name = "$s->[0], " . ($chunked ? 'chunks' : 'declared');
		check($a && $a->{status} == 401, "32 MiB with $name: 401", $a && $a->{head});
		check($took < 1 << 20, "$name: not read", $took);
		diag("$name: $took bytes into the sockets");
		check(gone($c, 30), "$name: closed");
		shut($c);
	}
}
check(!(grep { $_->{event} eq 'request' } log_rows($log, $at)), 'nothing of it reaches the provider');

# Refused for its size, its model, its form: the client that is known is told
# and the gateway stays.
for my $case (['a model that is not there', 404, sub { body(1 << 20, 'x') =~ s/gpt-4o-mini/nosuch/r }],
    ['no JSON at its end', 400, sub { body(1 << 20, 'x') . '}' }],
    ['no JSON at its start', 400, sub { ']' . body(1 << 20, 'x') }],
    ['two models', 400, sub { body(1 << 20, 'x') =~ s/\}\z/,"model":"gpt-4o"}/r }]) {
	my $a = call($port, post($key, $chat, $case->[2]->()), 60);
	check($a && $a->{status} == $case->[1], "1 MB, $case->[0]: $case->[1]", $a && $a->{head}, $a && $a->{body});
}
$good++;
my $a = call($port, post($key, $chat, body(200, 'last')), 60);
check($a && $a->{status} == 200, 'a small call at the end');
diag("good calls $good");

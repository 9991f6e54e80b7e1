#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# guesses.pl PORT CONNECTIONS EACH SECONDS STOP: so many well-formed keys that
# nobody has, offered from 127.0.0.1 at once and again whenever a connection ends,
# until there is a file STOP.
# Prints "offered N", "answered N" (401) and "seconds S".
use strict;
use warnings;
use IO::Socket::INET;
use IO::Select;
use Time::HiRes qw(time);

my ($port, $conns, $each, $secs, $stop) = @ARGV;
$SIG{PIPE} = 'IGNORE';
my @abc = ('0' .. '9', 'A' .. 'Z', 'a' .. 'z');
sub crc {
	my ($s) = @_;
	my $c = 0xffffffff;
	for my $b (unpack 'C*', $s) {
		$c ^= $b;
		$c = $c & 1 ? ($c >> 1) ^ 0xedb88320 : $c >> 1 for 1 .. 8;
	}
	return $c ^ 0xffffffff;
}
sub token {
	my $t = 'tp_dev_' . join('', map { $abc[rand @abc] } 1 .. 12) . '_' .
	    join('', map { $abc[rand @abc] } 1 .. 43);
	my ($n, $sum) = (crc($t), '');
	for (1 .. 6) { $sum = $abc[$n % 62] . $sum; $n = int($n / 62); }
	return $t . $sum;
}
my @tokens = map { token() } 1 .. 2000;
my ($offered, $answered, $next) = (0, 0, 0);
my $sel = IO::Select->new;
sub offer {
	my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or return;
	$s->blocking(0);
	my $text = join '', map { "GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " .
	    $tokens[$next++ % @tokens] . "\r\n\r\n" } 1 .. $each;
	my $n = syswrite $s, $text;
	$offered += int(($n // 0) / length($text) * $each);
	$sel->add($s);
}
my $t0 = time;
offer() for 1 .. $conns;
while (time < $t0 + $secs && !-e $stop) {
	for my $s ($sel->can_read(0.1)) {
		my $n = sysread $s, my $buf, 65536;
		if ($n) { $answered += () = $buf =~ /HTTP\/1\.1 401/g; next; }
		$sel->remove($s);
		close $s;
		offer();
	}
}
printf "offered %d\nanswered %d\nseconds %.1f\n", $offered, $answered, time - $t0;

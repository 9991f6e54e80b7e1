#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# order.pl CREDENTIAL < trace: reads what strace -f -y -xx wrote of the whole
# tree and holds every request that left with the credential against the disk.
# For each: a pwrite of the page with its call.intent (found by the body's
# SHA-256, taken from the bytes that were sent) < a sync of that file by the
# same process that returned 0 < the first write that holds the credential.
# The broker's RELEASE, which carries it too, is held against the same.
use strict;
use warnings;
use Digest::SHA qw(sha256);

my $cred = join '', map { sprintf '\\x%02x', ord } split //, $ARGV[0];
my (%inflight, %pending, %durable, %stream, %n);
$n{$_} = 0 for qw(calls covered uncovered unmatched releases early strays syncs
    failedsyncs pages killed);

sub bytes { my $h = shift; $h =~ s/\\x//g; return pack 'H*', $h; }

# The page is on its way: its intents wait for a sync by this process.
sub wrote {
	my ($pid, $path, $data) = @_;
	my $page = bytes($data);
	while ($page =~ /call\.intent((?:(?!call\.).){0,900})/sg) {
		my $e = $1;
		while ($e =~ /(?=\x58\x20(.{32}))/sg) {
			push @{$pending{$pid}{$path}}, $1 if !$durable{$1};
		}
	}
	$n{pages}++;
}
sub synced {
	my ($pid, $path, $ret) = @_;
	if ($ret != 0) { $n{failedsyncs}++; return; }
	$n{syncs}++;
	$durable{$_} = 1 for @{$pending{$pid}{$path} // []};
	delete $pending{$pid}{$path};
}
# Requests on one connection of an egress: what was durable when each began.
sub sent {
	my ($pid, $fd, $data) = @_;
	my $s = $stream{"$pid $fd"} //= { buf => '' };
	$s->{buf} .= bytes($data);
	while ($s->{buf} =~ /^(.*?\r\n\r\n)/s) {
		my $head = $1;
		my ($len) = $head =~ /^content-length: *(\d+)/mi;
		$len //= 0;
		return if length($s->{buf}) < length($head) + $len;
		my $body = substr $s->{buf}, length $head, $len;
		substr($s->{buf}, 0, length($head) + $len) = '';
		finish(sha256($body), $s);
		delete $s->{began};
	}
}
sub finish {
	my ($d, $s) = @_;
	$n{calls}++;
	if ($s->{began} ? !exists $s->{began}{$d} : !$durable{$d}) {
		$n{uncovered}++;
		print STDERR "uncovered: ", unpack('H*', $d), "\n" if $n{uncovered} < 4;
	} else { $n{covered}++; }
}
# A request in pieces: remember what was durable when its credential left.
sub began {
	my ($pid, $fd) = @_;
	my $s = $stream{"$pid $fd"} //= { buf => '' };
	$s->{began} = { %durable };
}
sub egress {
	my ($pid, $fd, $data, $has) = @_;
	my $key = "$pid $fd";
	return if !$has && !length($stream{$key}{buf} // '');
	if ($has) {
		my $text = bytes($data);
		my ($head) = $text =~ /^(.*?\r\n\r\n)/s;
		my ($len) = ($head // '') =~ /^content-length: *(\d+)/mi;
		began($pid, $fd) if !defined $head ||
		    length($text) < length($head) + ($len // 0);
	}
	sent($pid, $fd, $data);
}
# A packet of the broker: each RELEASE in it has the digest 42 bytes before the
# credential (proto.h: digest, flags, dialect, kind of header, length).
sub release {
	my $m = bytes($_[0]);
	my $at = -1;
	while (($at = index $m, $ARGV[0], $at + 1) >= 0) {
		$n{releases}++;
		$n{early}++ if $at < 42 || !$durable{substr $m, $at - 42, 32};
	}
}
sub gone {
	my ($pid) = @_;
	delete $pending{$pid};
	delete $inflight{$pid};
	for (grep { /^$pid / } keys %stream) {
		$n{unmatched}++ if length $stream{$_}{buf};
		delete $stream{$_};
	}
}

while (my $l = <STDIN>) {
	if ($l =~ /^(\d+) +<\.\.\. (\w+) resumed>.*= (-?\d+)/) {
		my $f = delete $inflight{$1} or next;
		next if $f->[0] ne $2;
		if ($2 eq 'pwrite64') { wrote($1, $f->[1], $f->[2]) if $3 > 0; }
		else { synced($1, $f->[1], $3); }
	} elsif ($l =~ /^(\d+) +(pwrite64|fdatasync|fsync)\(\d+<([^>]*)>(?:, "([^"]*)")?/) {
		my ($pid, $call, $path, $data) = ($1, $2, $3, $4);
		if ($l =~ /<unfinished \.\.\.>$/) { $inflight{$pid} = [$call, $path, $data]; next; }
		my ($ret) = $l =~ /= (-?\d+)[^=]*$/;
		$ret //= -1;	# "?": it was killed in there
		if ($call eq 'pwrite64') { wrote($pid, $path, $data) if $ret > 0; }
		else { synced($pid, $path, $ret); }
	} elsif ($l =~ /^(\d+) +sendto\((\d+)<[^>]*>, "([^"]*)"/) {
		egress($1, $2, $3, index($l, $cred) >= 0);
	} elsif ($l =~ /^(\d+) +(?:sendmsg|sendmmsg)\(/) {
		next if index($l, $cred) < 0;
		while ($l =~ /iov_base="([^"]*)"/g) {
			release($1) if index($1, $cred) >= 0;
		}
	} elsif ($l =~ /^(\d+) \+\+\+ (exited|killed)/) {
		$n{killed}++ if $2 eq 'killed';
		gone($1);
	} else { $n{strays}++ if index($l, $cred) >= 0; }
}
gone($_) for map { /^(\d+)/ } keys %stream;
print join(' ', map { "$_=$n{$_}" } qw(calls covered uncovered unmatched
    releases early strays syncs failedsyncs pages killed)), "\n";

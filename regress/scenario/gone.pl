#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# gone.pl PORT KEY PROVIDERLOG N PROXYCTL WORKER...: see gone.sh.
use strict;
use warnings;
use Raw;
use Time::HiRes qw(sleep);

my ($port, $key, $log, $count, $ctl, @workers) = @ARGV;
my $chat = '/v1/chat/completions';
my $word = 0;

sub body {
	my ($model, $stream, $fill) = @_;
	$word++;
	return "{\"word\":\"w$word-\",\"model\":\"$model\"," . ($stream ? '"stream":true,' : '') .
	    '"messages":[{"role":"user","content":"' . 'x' x ($fill // 1) . '"}]}';
}
# The connection of the request that carries the present word.
sub arrived {
	my ($at) = @_;
	my $w = "w$word-";
	my $row = log_wait($log, $at, 60, sub { $_[0]{event} eq 'request' && $_[0]{body} =~ /$w/ });
	return $row && $row->{conn};
}
sub events {	# until the client has read $n of them
	my ($c, $n) = @_;
	my $end = now() + 60;
	while (now() < $end && !$c->{eof}) {
		return 1 if (() = $c->{buf} =~ /\bdata: /g) >= $n;
		Raw::take($c, 1);
	}
	return 0;
}

# No call is open any more: what the provider was to see, it has been told.
sub settled {
	my $end = now() + 60;
	until (`$ctl status` =~ /^open 0 of/m) {
		return 0 if now() > $end;
		sleep 0.02;
	}
	return 1;
}

my $wait = 0.02;	# until an upload is half done, as found out

# Each phase: brings a call there; returns the provider's connection, or undef.
my @phases = (
	['upload to the provider', sub {
		my ($c, $at) = @_;
		put($c, post($key, $chat, body('mode-never', 0, 8_000_000)), 20);
		sleep $wait * (0.5 + rand);
		return 0;	# not known before it ends
	}],
	['before the first byte, stream', sub {
		my ($c, $at) = @_;
		put($c, post($key, $chat, body('mode-slow-first-30', 1)));
		return arrived($at);
	}],
	['before the first byte, no stream', sub {
		my ($c, $at) = @_;
		put($c, post($key, $chat, body('mode-slow-first-30', 0)));
		return arrived($at);
	}],
	['before the first byte, large body', sub {
		my ($c, $at) = @_;
		put($c, post($key, $chat, body('mode-never', 0, 300_000)));
		return arrived($at);
	}],
	['in mid-stream', sub {
		my ($c, $at) = @_;
		put($c, post($key, $chat, body('mode-drip-2000-10', 1)));
		my $id = arrived($at);
		return events($c, 5) ? $id : undef;
	}],
	['in mid-stream, other dialect', sub {
		my ($c, $at) = @_;
		put($c, post($key, '/v1/messages', body('anthropic/mode-drip-2000-10', 1) =~ s/"model"/"max_tokens":9,"model"/r));
		my $id = arrived($at);
		return events($c, 5) ? $id : undef;
	}],
	['before the last event', sub {
		my ($c, $at) = @_;
		put($c, post($key, $chat, body('mode-drip-2-3000', 1)));
		my $id = arrived($at);
		return events($c, 1) ? $id : undef;
	}],
	['the client reads nothing', sub {
		my ($c, $at) = @_;
		put($c, post($key, $chat, body('mode-big-1000', 1)));
		my $id = arrived($at);
		events($c, 1) or return undef;
		sleep 0.1;	# every buffer on the way fills
		return $id;
	}],
);

for my $p (@phases) {
	my ($name, $to) = @$p;
	my $began = now();
	my (@ms, @late);
	my ($lost, $tries) = (0, 0);
	while (@ms < $count && $tries++ < $count * 10 && $lost < 3) {
		my $at = -s $log;
		my $c = dial($port) or next;
		my $id = $to->($c, $at);
		if (!defined $id) { $lost++; shut($c); next; }
		my $t = now();
		shut($c, $tries % 2);	# a reset every other time
		my $ended = sub {
			my ($r) = @_;
			return 0 if $r->{event} ne 'peer_closed' || $r->{t_ns} / 1e9 < $t - 0.005;
			return $id ? $r->{conn} == $id : $r->{phase} =~ /^(upload|answer)$/;
		};
		my $row = log_wait($log, $at, $id ? 20 : 0.1, $ended);
		if (!$id && !$row) {
			if (!settled()) { $lost++; next; }
			$row = log_wait($log, $at, 0.3, $ended);
		}
		# An upload may not have begun, or be over: then it was no try.
		if (!$id && (!$row || $row->{phase} ne 'upload')) {
			$wait *= $row ? 0.8 : 1.25;
			next;
		}
		if (!$row) { $lost++; next; }
		push @ms, ($row->{t_ns} / 1e9 - $t) * 1000;
		push @late, $ms[-1] if $ms[-1] > 15000;
	}
	check(@ms == $count && !@late && !$lost && percentile(50, @ms) <= 1000,
	    "$name: all of $count closed, half of them within a second", scalar(@ms) . " seen, " . scalar(@late) . " late, $lost not seen");
	diag(sprintf '%s: p50 %.1f p99 %.1f max %.1f ms, target 100 (%d tries, %.1f s)', $name, percentile(50, @ms),
	    percentile(99, @ms), percentile(100, @ms), $tries, now() - $began) if @ms;
}

# A reset that is there before a worker has read the whole request: bytes first,
# then no error is met, since nothing more is read.
my $open = 0;
for my $i (1 .. $count) {
	my $r = post($key, $chat, body('mode-never', $i % 2, $i % 3 ? 100 : 300_000));
	my $c = dial($port) or next;
	my $cut = $i % 4 ? 1 + int rand length $r : 0;
	put($c, substr($r, 0, $cut), 20, 1);
	sleep 0.01 if $i % 2;
	kill STOP => @workers;
	put($c, substr($r, $cut), 0.5, 1);
	shut($c, 1);
	kill CONT => @workers;
	$open++ if !settled();
	last if $open;
}
check(!$open, "$count that left with a reset behind their request: no call is open", $open);

# Nothing that the client had not said whole reaches the provider.
my $at = -s $log;
for my $i (1 .. $count) {
	my $b = body('gpt-4o-mini', 0, $i % 3 ? 5000 : 200_000);
	my $r = post($key, $chat, $b);
	my $c = dial($port) or next;
	put($c, substr($r, 0, $i % 2 ? int rand 100 : length($r) - 1 - int rand 1000));
	sleep 0.002 if $i % 5 == 0;
	shut($c, $i % 4 > 1);
}
sleep 0.3;
my @rows = grep { $_->{event} eq 'request' } log_rows($log, $at);
check(!@rows, "$count that left in their head or body: the provider saw none", scalar @rows);

# At the very end: the answer was complete, whatever the client heard of it.
my $bad = 0;
for my $i (1 .. $count) {
	my $c = dial($port) or next;
	put($c, post($key, $chat, body('mode-drip-3-1', 1)));
	my $end = now() + 60;
	Raw::take($c, 1) while now() < $end && !$c->{eof} && $c->{buf} !~ /\[DONE\]/;
	$bad++ if $c->{buf} !~ /\[DONE\]/;
	shut($c, $i % 2);
}
check(!$bad, "$count that left at [DONE]", $bad);

#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# mask.pl PORT KEY OPENAIKEY ANTHROPICKEY: see mask.sh.
use strict;
use warnings;
use JSON::PP ();
use Raw;

my ($port, $key, %secret) = ($ARGV[0], $ARGV[1], openai => $ARGV[2], anthropic => $ARGV[3]);
my %route = (openai => '/v1/chat/completions', anthropic => '/v1/messages');
my %c;

# Head and body of an answer as they came, the framing taken off.
sub ask {
	my ($who, $mode, $stream) = @_;
	my $body = "{\"model\":\"$who/mode-$mode\",\"max_tokens\":9," . ($stream ? '"stream":true,' : '') .
	    '"messages":[{"role":"user","content":"hello"}]}';
	for (1 .. 2) {
		$c{$who} = dial($port) if !$c{$who} || $c{$who}{eof};
		put($c{$who}, post($key, $route{$who}, $body));
		my $a = answer($c{$who}, 60);
		return $a if $a;
		delete $c{$who};
	}
	return undef;
}
# The text that the client would show.
sub text {
	my ($who, $stream, $body) = @_;
	my $json = JSON::PP->new->utf8;
	if (!$stream) {
		my $j = eval { $json->decode($body) } or return undef;
		return $who eq 'openai' ? $j->{choices}[0]{message}{content} : $j->{content}[0]{text};
	}
	my $t = '';
	for my $l ($body =~ /^data: *(\{.*\})\r?$/mg) {
		my $j = eval { $json->decode($l) } or return undef;
		$t .= $who eq 'openai' ? $j->{choices}[0]{delta}{content} // '' : $j->{delta}{text} // '';
	}
	return $t;
}
# What one must look like: nothing of the secret, all of the frame around it.
sub fine {
	my ($who, $stream, $a) = @_;
	my $s = $secret{$who};
	return 'no answer' if !$a;
	return "status $a->{status}" if $a->{status} != 200;
	return 'not whole' if !$a->{whole};
	return 'the secret' if index($a->{head} . $a->{body}, $s) >= 0;
	my $t = text($who, $stream, $a->{body});
	return 'no JSON' if !defined $t;
	return 'the secret in pieces' if index($t, $s) >= 0;
	return 'a long piece of it' if grep { index($t, substr($s, $_, 12)) >= 0 } 0 .. length($s) - 12;
	my $shape = $a->{body};
	return 'no end' if $stream && $shape !~ ($who eq 'openai' ? qr/data: \[DONE\]\n\n\z/ : qr/event: message_stop\n/);
	return 'usage is gone' if $shape !~ /usage/ && !($who eq 'openai' && $stream);
	return '';
}

for my $who ('openai', 'anthropic') {
	my $len = length $secret{$who};
	for my $stream (0, 1) {
		my $kind = "$who, " . ($stream ? 'stream' : 'JSON');
		my (@bad, %seen);
		for my $k (1 .. $len - 1) {
			my $a = ask($who, "echo-split-$k", $stream);
			my $why = fine($who, $stream, $a);
			push @bad, "split $k: $why" if $why ne '';
			my $t = $a && $a->{body} ? text($who, $stream, $a->{body}) : undef;
			$seen{$t // 'undef'}++;
		}
		check(!@bad, "$kind: each of " . ($len - 1) . ' splits is masked', @bad[0 .. ($#bad > 3 ? 3 : $#bad)]);
		my ($one) = keys %seen;
		check(keys %seen == 1 && $one =~ /^\*+$/ && length $one == $len,
		    "$kind: wherever it was cut, the text is as many asterisks", join ' ', keys %seen);
		for my $m ('echo', 'echo-bytes') {
			my $a = ask($who, $m, $stream);
			my $why = fine($who, $stream, $a);
			check($why eq '', "$kind: $m", $why, $a && $a->{body});
		}
	}
	my @bad;
	for my $m ('echo-header', map { "echo-header-$_" } 1 .. $len - 1) {
		my $a = ask($who, $m, 0);
		my $plain = $a ? text($who, 0, $a->{body}) // '' : '';
		push @bad, "$m: " . ($a ? $a->{status} : 'no answer') if !$a || $a->{status} != 200 || !$a->{whole} || $plain eq '';
		push @bad, "$m: the secret" if $a && index($a->{head} . $a->{body}, $secret{$who}) >= 0;
	}
	check(!@bad, "$who: in a header, whole and cut at each byte", @bad[0 .. ($#bad > 3 ? 3 : $#bad)]);
	my $a = ask($who, 'status-500', 0);
	check($a && $a->{status} == 500 && index($a->{head} . $a->{body}, $secret{$who}) < 0, "$who: an error");
}

# Near-misses pass unchanged: one byte is another, or the last is missing.
{
	my $s = $secret{openai};
	my ($bad, $n) = (0, 0);
	my $c = dial($port);
	for my $i (1 .. 400) {
		my @m;
		for (1 .. 25) {
			my $m = $s;
			my $at = int rand length $m;
			if (rand() < 0.2) { $m = substr($m, 0, -1) . ' '; }
			else { substr($m, $at, 1) = substr($m, $at, 1) eq 'q' ? 'r' : 'q'; }
			push @m, $m;
		}
		my $text = join $i % 3 ? '' : ' ', @m;
		# joined they may hold it by accident
		next if index($text, $s) >= 0;
		my $stream = $i % 2;
		put($c, post($key, $route{openai}, '{"model":"gpt-4o-mini",' . ($stream ? '"stream":true,' : '') .
		    "\"messages\":[{\"role\":\"user\",\"content\":\"$text\"}]}"));
		my $a = answer($c, 60) or last;
		my $t = text('openai', $stream, $a->{body}) // '';
		$n += @m;
		$bad++ if index($t, $text) < 0;
	}
	check(!$bad && $n >= 9000, "$n near-misses pass unchanged", "$bad answers differ");
}

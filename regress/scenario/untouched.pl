#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# untouched.pl send PORT KEY PROVIDERLOG CALLS N SEED
# untouched.pl record LIST CALLS
# A body is made as two texts side by side: what the client sends and what the
# provider must get.  CALLS has a line "REQUEST-ID SHA256 EDITS" for each call.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use MIME::Base64 qw(encode_base64);
use Raw;

# --- odd JSON

sub pick { return $_[int rand @_] }
sub blank { return rand() < 0.6 ? '' : join '', map { pick(' ', "\t", "\n", "\r\n", '  ') } 0 .. int rand 3 }
sub str {
	my ($n) = @_;
	my $s = '';
	for (1 .. $n // int rand 20) {
		my $r = int rand 12;
		$s .= $r < 5 ? chr(97 + rand 26) : $r == 5 ? '\\u00e4' : $r == 6 ? "\xc3\xa4" :
		    $r == 7 ? '\\ud83d\\ude00' : $r == 8 ? "\xf0\x9f\x98\x80" : $r == 9 ? pick('\\"', '\\\\', '\\/', '\\b', '\\f') :
		    $r == 10 ? pick('\\n', '\\r', '\\t', '\\u0001', '\\u007F') : pick('{', '}', '[', ']', ',', ':', ' ', 'tp_', 'sk-');
	}
	return "\"$s\"";
}
sub number { return pick('0', '-0', '1e3', '1E+2', '-1.50', '0.1e-7', '123456789012345678901234567890', '1.0', int rand 1000) }
sub value {
	my ($deep) = @_;
	my $r = int rand($deep > 4 ? 4 : 7);
	return $r == 0 ? number() : $r == 1 ? pick('true', 'false', 'null') : $r < 4 ? str() :
	    $r == 4 ? '[' . blank() . join(',', map { blank() . value($deep + 1) . blank() } 1 .. int rand 4) . ']' :
	    '{' . blank() . join(',', map { blank() . str() . blank() . ':' . blank() . value($deep + 1) . blank() } 1 .. int rand 4) . '}';
}
# Members that nobody here knows, one of them twice.
sub unknown {
	my @m;
	for (0 .. int rand 4) { push @m, [str(1 + int rand 9) =~ s/"$/-x"/r, value(1)]; }
	push @m, ['"twice"', value(1)], ['"twice"', value(1)] if rand() < 0.3;
	push @m, ['"response_format"', '{"type":"json_schema","json_schema":{"name":"a","schema":' . value(2) . '}}'] if rand() < 0.15;
	push @m, ['"thinking"', '{ "type" : "enabled" , "budget_tokens" : 1024 }'] if rand() < 0.15;
	push @m, ['"temperature"', number()] if rand() < 0.3;
	return @m;
}
sub tools {
	my ($anthropic) = @_;
	my $schema = '{"type":"object","properties":{' . join(',', map { "\"p$_\":" . value(3) } 1 .. 3) . '}}';
	return $anthropic ? "[{\"name\":\"get\",\"description\":" . str(40) . ",\"input_schema\":$schema,\"cache_control\":{\"type\":\"ephemeral\"}}]" :
	    "[{\"type\":\"function\",\"function\":{\"name\":\"get\",\"parameters\":$schema}}]";
}
sub image {
	my ($anthropic) = @_;
	my $b = encode_base64(join('', map { chr int rand 256 } 1 .. 200 + rand 3000), '');
	return $anthropic ? "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"$b\"}}" :
	    "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image\\/png;base64,$b\"}}";
}
sub msgs {
	my ($anthropic) = @_;
	my @m;
	for (0 .. int rand 3) {
		push @m, '{' . blank() . '"role":"user",' . blank() . '"content":' . (rand() < 0.6 ? str(30) :
		    '[{"type":"text","text":' . str(30) . ($anthropic ? ',"cache_control":{"type":"ephemeral"}' : '') .
		    '},' . image($anthropic) . ']') . blank() . '}';
	}
	return '[' . join(',' . blank(), @m) . ']';
}

# --- a body and what becomes of it

my @routes = (
	# path, model, provider, is usage asked for, members
	['/v1/chat/completions', 'gpt-4o-mini', 'openai', 1,
	    sub { (['"messages"', msgs(0)], rand() < 0.4 ? ['"tools"', tools(0)] : ()) }],
	['/v1/completions', 'gpt-4o-mini', 'openai', 1, sub { (['"prompt"', str(30)]) }],
	['/v1/responses', 'gpt-4o-mini', 'openai', 0, sub { (['"input"', str(30)]) }],
	['/v1/embeddings', 'text-embedding-3-small', 'openai', -1, sub { (['"input"', '[' . str(9) . ',' . str(9) . ']']) }],
	['/v1/messages', 'claude-haiku-4-5', 'anthropic', 0,
	    sub { (['"max_tokens"', '64'], ['"messages"', msgs(1)], ['"system"', str(50)], rand() < 0.4 ? ['"tools"', tools(1)] : ()) }],
	['/v1/messages?beta=true', 'claude-haiku-4-5', 'anthropic', 0,
	    sub { (['"max_tokens"', '64'], ['"messages"', msgs(1)]) }],
	['/v1/messages/count_tokens', 'claude-haiku-4-5', 'anthropic', -1, sub { (['"messages"', msgs(1)]) }],
);

# model's value: [sent, wanted, edits]
sub model {
	my ($name, $provider) = @_;
	my $esc = sub { my $s = $_[0]; substr($s, 1, 1) = sprintf('\\u%04x', ord substr($s, 1, 1)); return $s };
	my $r = rand();
	return ["\"$name\"", "\"$name\"", 0] if $r < 0.5;
	return ["\"$provider/$name\"", "\"$name\"", 1] if $r < 0.75;
	return ['"' . $esc->($name) . '"', '"' . $esc->($name) . '"', 0] if $r < 0.85;
	return ["\"$provider\\/$name\"", "\"$name\"", 1] if $r < 0.95;
	return ["\"$provider/" . $esc->($name) . '"', "\"$name\"", 1];
}
my $ON = '"include_usage":true';
# stream's members and their edit: [members], root insertion, edits
sub streaming {
	my ($usage) = @_;
	return ([], '', 0) if $usage == -1 || rand() < 0.5;
	my @m = (['"stream"', 'true', 'true']);
	if ($usage != 1) {
		push @m, ['"stream_options"', '{ }', '{ }'] if $usage == 0 && rand() < 0.1;
		return (\@m, '', 0);
	}
	my $b = blank();
	my $r = int rand 7;
	return (\@m, "\"stream_options\":{$ON},", 1) if $r < 2;
	my @o = (
		["{$b$ON}", "{$b$ON}", 0],
		["{$b}", "{$ON$b}", 1],
		['null', "{$ON}", 1],
		["{$b\"other\" : [1]$b}", "{$ON,$b\"other\" : [1]$b}", 1],
		["{\"include_usage\"$b:${b}false}", "{\"include_usage\"$b:${b}true}", 1],
	);
	my ($from, $to, $n) = @{$o[$r - 2]};
	push @m, ['"stream_options"', $from, $to];
	return (\@m, '', $n);
}
sub make {
	my ($extra) = @_;
	my ($path, $name, $provider, $usage, $members) = @{pick(@routes)};
	my $model = model($name, $provider);
	my ($st, $root, $edits) = streaming($usage);
	my @m = (['"model"', $model->[0], $model->[1]], @$st, map { [$_->[0], $_->[1], $_->[1]] } $members->(), unknown());
	for my $i (reverse 1 .. $#m) { my $j = int rand($i + 1); @m[$i, $j] = @m[$j, $i]; }
	my ($from, $to) = ('{', "{$root");
	for my $i (0 .. $#m) {
		my ($a, $b, $c, $d) = map { blank() } 1 .. 4;
		my $comma = $i < $#m ? ',' : '';
		$from .= "$a$m[$i][0]$b:$c$m[$i][1]$d$comma";
		$to .= "$a$m[$i][0]$b:$c$m[$i][2]$d$comma";
	}
	my ($a, $b) = (blank(), blank());
	return ($path, "$a$from}$b", "$a$to}$b", $edits + $model->[2]);
}
# Sizes that matter: Claude Code's first request, both edges of each hold, the cap.
sub fixed {
	my ($size, $prefix) = @_;
	my ($x, $y) = ('{"max_tokens":64,"system":[{"type":"text","text":"', '","cache_control":{"type":"ephemeral"}}],' .
	    '"metadata":{"user_id":"{\\"session_id\\":\\"0a1b\\"}"},"messages":[{"role":"user","content":"hi"}],"model":"');
	my $z = 'claude-haiku-4-5"}';
	my $p = $prefix ? 'anthropic/' : '';
	my $fill = $size - length("$x$y$p$z");
	my $text = '\\u00e9 lorem ' x ($fill / 13) . 'z' x ($fill % 13);
	return ('/v1/messages?beta=true', "$x$text$y$p$z", "$x$text$y$z", $prefix ? 1 : 0);
}

# At the cap before the edit, above it afterwards.
sub grows {
	my ($size) = @_;
	my ($x, $y) = ('{"model":"gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"', '"}]}');
	return $x . 'y' x ($size - length("$x$y")) . $y;
}

# --- to the provider

sub send_all {
	my ($port, $key, $log, $calls, $count, $seed) = @_;
	diag("seed $seed, $count bodies");
	srand($seed);
	my @big = map { my $s = $_; ([fixed($s, 0)], [fixed($s, 1)]) }
	    85 * 1024, 65535, 65536, 65537, 262143, 262144, 262145, 1 << 20, (32 << 20) - 30;
	push @big, [fixed(32 << 20, 0)];
	my (@want, $c);
	my ($wrong, $edited, $bytes, $first) = (0, 0, 0, '');
	open(my $out, '>', $calls) or die "$calls: $!";
	for my $i (1 .. $count) {
		my ($path, $from, $to, $edits) = $i <= @big ? @{$big[$i - 1]} : make();
		$c = dial($port) if !$c || $c->{eof} || rand() < 0.05;
		my $req = post($key, $path, $from);
		if (rand() < 0.2 && length $from < 100000) {
			my ($h) = $req =~ /^(.*?)Content-Length/s;
			$req = $h . "Transfer-Encoding: chunked\r\n\r\n";
			for (my $at = 0; $at < length $from;) {
				my $n = 1 + int rand(rand() < 0.5 ? 20 : 5000);
				my $piece = substr($from, $at, $n);
				$req .= sprintf("%x\r\n", length $piece) . "$piece\r\n";
				$at += length $piece;
			}
			$req .= "0\r\n\r\n";
		}
		if (rand() < 0.3) {	# in several writes
			my $n = 1 + int rand length $req;
			put($c, substr($req, 0, $n, ''));
		}
		put($c, \$req, 120);
		my $a = answer($c, 120);
		if (!$a || $a->{status} != 200 || !$a->{whole}) {
			$wrong++;
			$first ||= "body $i, $path, " . length($from) . ' bytes: ' . ($a ? "$a->{head} $a->{body}" : 'no answer');
			undef $c;
			next;
		}
		my ($id) = $a->{head} =~ /^x-request-id: *req_([0-9a-f]{32})/mi;
		my $sha = sha256_hex($to);
		push @want, [$i, $sha, $path, length $to];
		$edited++ if $edits;
		$bytes += length $from;
		print $out "$id $sha $edits\n";
	}
	close $out;
	my $over = call($port, post($key, '/v1/chat/completions', grows(32 << 20)), 120);
	check($over && $over->{status} == 413, 'an edit that would pass the cap: 413, not a cut body', $over && $over->{head});
	check(!$wrong, "$count bodies are answered with 200", "$wrong are not", $first);
	my @got = grep { $_->{event} eq 'request' } log_rows($log);
	check(@got == @want, 'the provider saw each once', scalar(@got) . ' of ' . @want);
	my ($bad, $why) = (0, '');
	for my $i (0 .. $#want) {
		next if $got[$i] && $got[$i]{sha256} eq $want[$i][1];
		$bad++;
		$why ||= "body $want[$i][0], $want[$i][2], $want[$i][3] bytes";
	}
	check(!$bad, "its digests are the client's, edits made here ($edited edited, $bytes bytes)", "$bad differ", $why);
}

# --- what the record says

sub record {
	my ($list, $calls) = @_;
	my (%sha, %edits, $id);
	open(my $l, '<', $list) or die "$list: $!";
	my $intent = 0;
	while (<$l>) {
		$intent = $1 eq 'call.intent' if /^entry \d+ (\S+)/;
		next if !$intent;
		$id = $1 if /^  B request_id=([0-9a-f]{32})/;
		$sha{$id} = $1 if /^  B request\.sha256=([0-9a-f]{64})/;
		$edits{$id} = $1 if /^  B request\.edits=(\d+)/;
	}
	open(my $c, '<', $calls) or die "$calls: $!";
	my ($n, $badsha, $badn) = (0, 0, 0);
	while (<$c>) {
		my ($i, $s, $e) = split;
		$n++;
		$badsha++ if ($sha{$i} // '') ne $s;
		$badn++ if ($edits{$i} // 0) != $e;
	}
	check($n && !$badsha, "$n intents have the digest of what the provider got", "$badsha differ");
	check($n && !$badn, 'and the number of edits', "$badn differ");
	check(keys %sha == $n, 'there is no other intent', scalar keys %sha);
}

my ($verb, @args) = @ARGV;
$verb eq 'send' ? send_all(@args) : record(@args);

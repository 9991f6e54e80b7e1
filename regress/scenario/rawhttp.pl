#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# rawhttp.pl PORT KEY ADMINKEY PROVIDERLOG bytes|time: see http.sh.
use strict;
use warnings;
use Raw;
use Time::HiRes qw(sleep);

my ($port, $key, $admin, $log, $part) = @ARGV;
my $good = 0;
my $P = 'POST /v1/chat/completions HTTP/1.1';
my $H = "Host: localhost\r\n";
my $T = "Authorization: Bearer $key\r\nContent-Type: application/json\r\n";
my ($marks, $body, $n) = (0);

# --- the table: name, bytes, status, is the connection closed

# A fresh marked body, so that a leak names itself.
sub fresh {
	$marks++;
	$body = sprintf '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"refused-%03d"}]}', $marks;
	$n = length $body;
}
sub head { my ($line, @f) = @_; return "$line\r\n" . join('', map { /\n\z/ ? $_ : "$_\r\n" } @f) . "\r\n" }
# A request that is right but for the fields given; with its body.
sub with { return head($P, $H, $T, @_, "Content-Length: $n") . $body }
sub bare { return head($P, $H, $T, @_) . $body }
sub line { my ($l) = @_; return head($l, $H, $T, "Content-Length: $n") . $body }
sub get { my ($t, @f) = @_; return head("GET $t HTTP/1.1", $H, $T, @f) }
sub host { return head($P, @_, $T, "Content-Length: $n") . $body }
sub chunks { return head($P, $H, $T, 'Transfer-Encoding: chunked') . join('', @_) }
sub hx { return sprintf '%x', $_[0] }

my @rows = (
	# framing of the body
	['CL and TE', sub { bare("Content-Length: $n", 'Transfer-Encoding: chunked') }, 400, 1],
	['TE and CL', sub { bare('Transfer-Encoding: chunked', "Content-Length: $n") }, 400, 1],
	['TE list', sub { bare('Transfer-Encoding: gzip, chunked') }, 400, 1],
	['TE chunked, chunked', sub { bare('Transfer-Encoding: chunked, chunked') }, 400, 1],
	['TE twice', sub { bare('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked') }, 400, 1],
	['TE parameter', sub { bare('Transfer-Encoding: chunked;q=1') }, 400, 1],
	['TE identity', sub { bare('Transfer-Encoding: identity') }, 400, 1],
	['TE gzip', sub { bare('Transfer-Encoding: gzip') }, 400, 1],
	['TE VT', sub { bare("Transfer-Encoding: \x0bchunked") }, 400, 1],
	['TE FF', sub { bare("Transfer-Encoding: chunked\x0c") }, 400, 1],
	['TE in 1.0', sub { head('POST /v1/chat/completions HTTP/1.0', $H, $T, 'Transfer-Encoding: chunked') . hx($n) . "\r\n$body\r\n0\r\n\r\n" }, 400, 1],
	['CL twice, equal', sub { bare("Content-Length: $n", "Content-Length: $n") }, 400, 1],
	['CL twice, other', sub { bare("Content-Length: $n", "Content-Length: 5") }, 400, 1],
	['CL list', sub { bare("Content-Length: $n, $n") }, 400, 1],
	['CL +', sub { bare("Content-Length: +$n") }, 400, 1],
	['CL -', sub { bare("Content-Length: -$n") }, 400, 1],
	['CL 0x', sub { bare('Content-Length: 0x' . hx($n)) }, 400, 1],
	['CL VT', sub { bare("Content-Length: \x0b$n") }, 400, 1],
	['CL inner blank', sub { bare("Content-Length: $n $n") }, 400, 1],
	['CL empty', sub { bare('Content-Length:') }, 400, 1],
	['CL 2^64', sub { bare('Content-Length: 18446744073709551616') }, '400|413', 1],
	['CL over the cap', sub { bare('Content-Length: 33554433') }, 413, 1],
	['no CL', sub { bare() }, '400|411', 2],
	# bytes of the head
	['bare LF', sub { (my $r = with('X: a')) =~ s/X: a\r\n/X: a\n/; $r }, 400, 1],
	['LF after request line', sub { "$P\n" . substr(with(), length("$P\r\n")) }, 400, 1],
	['bare CR', sub { with("X: a\rb") }, 400, 1],
	['obs-fold', sub { with("X: a\r\n b") }, 400, 1],
	['obs-fold, tab', sub { with("X: a\r\n\tb") }, 400, 1],
	['NUL in a value', sub { with("X: a\0b") }, 400, 1],
	['CTL in a value', sub { with("X: a\x01b") }, 400, 1],
	['DEL in a value', sub { with("X: a\x7fb") }, 400, 1],
	['space before colon', sub { with('X : a') }, 400, 1],
	['empty name', sub { with(': a') }, 400, 1],
	['non-token name', sub { with('X(y): a') }, 400, 1],
	['8-bit name', sub { with("X\x80: a") }, 400, 1],
	['no colon', sub { with('Xa') }, 400, 1],
	['blank before the first field', sub { head($P, " $H", $T, "Content-Length: $n") . $body }, 400, 1],
	['CRLF before the request', sub { "\r\n" . with() }, 400, 1],
	# chunks
	['chunk-size +', sub { chunks('+' . hx($n), "\r\n$body\r\n0\r\n\r\n") }, 400, 1],
	['chunk-size 0x', sub { chunks('0x' . hx($n), "\r\n$body\r\n0\r\n\r\n") }, 400, 1],
	['chunk-size blank before', sub { chunks(' ' . hx($n), "\r\n$body\r\n0\r\n\r\n") }, 400, 1],
	['chunk-size blank behind', sub { chunks(hx($n) . ' ', "\r\n$body\r\n0\r\n\r\n") }, 400, 1],
	['chunk-size of 17 digits', sub { chunks('0' x 15 . hx($n), "\r\n$body\r\n0\r\n\r\n") }, 400, 1],
	['chunk-size of 9 digits', sub { chunks('f' x 9, "\r\n$body\r\n0\r\n\r\n") }, 400, 1],
	['chunk-size empty', sub { chunks("\r\n$body\r\n0\r\n\r\n") }, 400, 1],
	['chunk line with LF', sub { chunks(hx($n), "\n$body\r\n0\r\n\r\n") }, 400, 1],
	['no CRLF behind a chunk', sub { chunks(hx($n), "\r\n${body}0\r\n\r\n") }, 400, 1],
	['LF behind a chunk', sub { chunks(hx($n), "\r\n$body\n0\r\n\r\n") }, 400, 1],
	['chunk-ext over 256 bytes', sub { chunks(hx($n), ';a=' . 'b' x 300, "\r\n$body\r\n0\r\n\r\n") }, 400, 1],
	['chunk-ext malformed', sub { chunks(hx($n), ";a=\x01", "\r\n$body\r\n0\r\n\r\n") }, 400, 1],
	['trailer', sub { chunks(hx($n), "\r\n$body\r\n0\r\nX: a\r\n\r\n") }, 400, 1],
	['chunk of 4 GiB', sub { chunks('ffffffff', "\r\n$body") }, '400|413', 1],
	# Host
	['no Host', sub { host() }, 400, 1],
	['two Hosts', sub { host($H, $H) }, 400, 1],
	['empty Host', sub { host("Host:\r\n") }, 400, 1],
	(map { my $c = $_; ["Host with $c", sub { host("Host: a${c}b\r\n") }, 400, 1] } '@', '/', '?', '#', ',', '\\', '%', ' '),
	# request line
	['absolute form', sub { line('POST http://localhost/v1/chat/completions HTTP/1.1') }, 400, 1],
	['absolute form, other host', sub { line('POST http://other/v1/chat/completions HTTP/1.1') }, 400, 1],
	['authority form', sub { line('POST localhost:80 HTTP/1.1') }, 400, 1],
	['asterisk', sub { line('OPTIONS * HTTP/1.1') }, '400|405|501', 1],
	['fragment', sub { line('POST /v1/chat/completions#a HTTP/1.1') }, 400, 1],
	['CONNECT', sub { line('CONNECT localhost:80 HTTP/1.1') }, '400|405|501', 1],
	['TRACE', sub { line('TRACE / HTTP/1.1') }, '405|501', 1],
	['unknown method', sub { line('BREW /v1/chat/completions HTTP/1.1') }, '405|501', 1],
	['post', sub { line('post /v1/chat/completions HTTP/1.1') }, '400|405|501', 1],
	['HTTP/0.9', sub { "GET /health\r\n" }, 400, 1],
	['HTTP/1.2', sub { line('POST /v1/chat/completions HTTP/1.2') }, '400|505', 1],
	['HTTP/2.0', sub { line('POST /v1/chat/completions HTTP/2.0') }, '400|505', 1],
	['PRI', sub { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" }, '400|501|505', 1],
	['two spaces', sub { line('POST  /v1/chat/completions HTTP/1.1') }, 400, 1],
	['tab in the target', sub { line("POST /v1/chat\tcompletions HTTP/1.1") }, 400, 1],
	['NUL in the target', sub { line("POST /v1/chat\0completions HTTP/1.1") }, 400, 1],
	['TLS to a plain port', sub { "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" }, 400, 1],
	# path
	['%00', sub { line('POST /v1/chat/completions%00 HTTP/1.1') }, 400, 1],
	['//', sub { line('POST /v1//chat/completions HTTP/1.1') }, 400, 1],
	['..', sub { line('POST /v1/x/../chat/completions HTTP/1.1') }, 400, 1],
	['.', sub { line('POST /v1/./chat/completions HTTP/1.1') }, 400, 1],
	['%2e%2e', sub { line('POST /v1/x/%2e%2e/chat/completions HTTP/1.1') }, 400, 1],
	['overlong UTF-8', sub { line("POST /v1/chat\xc0\xafcompletions HTTP/1.1") }, 400, 1],
	['overlong UTF-8, escaped', sub { line('POST /v1/chat%c0%afcompletions HTTP/1.1') }, 400, 1],
	['non-ASCII', sub { line("POST /v1/ch\xc3\xa4t HTTP/1.1") }, 400, 1],
	['bad escape', sub { line('POST /v1/chat/completions%zz HTTP/1.1') }, 400, 1],
	['other case', sub { line('POST /V1/chat/completions HTTP/1.1') }, 404, 2],
	['slash behind', sub { line('POST /v1/chat/completions/ HTTP/1.1') }, 404, 2],
	['no such path', sub { get('/nosuch') }, 404, 0],
	# query
	['known name twice', sub { line('POST /v1/messages?beta=true&beta=true HTTP/1.1') }, 400, 2],
	['known name, bad value', sub { line('POST /v1/messages?beta=maybe HTTP/1.1') }, 400, 2],
	['bad escape in the query', sub { line('POST /v1/messages?beta=%z HTTP/1.1') }, 400, 1],
	['limit=x', sub { get('/v1/models?limit=x') }, 400, 2],
	# expectations, codings, upgrades
	['Expect other', sub { with('Expect: 200-ok') }, 417, 1],
	['Expect list', sub { with('Expect: 100-continue, other') }, 417, 1],
	['gzip', sub { with('Content-Encoding: gzip') }, 415, 1],
	['br', sub { with('Content-Encoding: br') }, 415, 1],
	['websocket', sub { get('/v1/responses', 'Connection: Upgrade', 'Upgrade: websocket') }, 426, 0],
	['other upgrade', sub { get('/v1/models', 'Connection: Upgrade', 'Upgrade: irc/6.9') }, 501, 1],
	['wrong method', sub { get('/v1/chat/completions') }, 405, 0],
	# names that imitate framing, two of what may stand once
	['Content_Length', sub { with('Content_Length: 5') }, 400, 1],
	['Transfer_Encoding', sub { with('Transfer_Encoding: chunked') }, 400, 1],
	['Authorization twice', sub { with($T) }, 400, 1],
	# control routes: a stranger is not told to go on, nobody sends what is too long
	['Expect of a stranger', sub { head('POST /agents HTTP/1.1', $H, 'Authorization: Bearer tp_' . 'a' x 30,
	    'Expect: 100-continue', 'Content-Length: 9') }, 401, 1],
	['a control body over 64 KiB', sub { head('POST /agents HTTP/1.1', $H, $T, 'Content-Length: 65537') }, 413, 1],
	# sizes of the head
	['101 fields', sub { with(map { "X-$_: a" } 1 .. 97) }, 431, 1],
	['a field over 8 KiB', sub { with('X: ' . 'a' x 8300) }, 431, 1],
	['a head over 32 KiB', sub { with(map { "X-$_: " . 'a' x 3000 } 1 .. 12) }, 431, 1],
	['target over 2 KiB', sub { line('POST /v1/messages?x=' . 'a' x 2100 . ' HTTP/1.1') }, 414, 1],
);

# closed: 1 the connection must end, 0 it must serve on, 2 either.
sub judge {
	my ($how, $row, $c) = @_;
	my ($name, undef, $status, $closed) = @$row;
	my $a = answer($c, 60);
	return check(0, "$name, $how", 'no answer') if !$a;
	if ($a->{status} !~ /^(?:$status)$/ || !$a->{whole}) {
		return check(0, "$name, $how: $status", $a->{head}, $a->{body});
	}
	if ($closed == 1) {
		return check(0, "$name, $how", 'connection stays open') if !gone($c, 40);
		return check(0, "$name, $how", "more came: $c->{buf}") if $c->{buf} ne '';
	} elsif ($closed == 0) {
		put($c, "GET /health HTTP/1.1\r\n$H\r\n");
		my $b = answer($c, 60);
		return check(0, "$name, $how", 'connection is dead') if !$b || $b->{status} != 200;
	}
	return 1;
}
sub good {
	my ($text) = @_;
	$good++;
	my $a = call($port, post($key, '/v1/chat/completions',
	    qq({"model":"gpt-4o-mini","messages":[{"role":"user","content":"$text"}]})), 60);
	return $a && $a->{status} == 200;
}
sub table {
	my $lives = 1;
	for my $row (@rows) {
		fresh();
		my $bytes = $row->[1]->();
		my $c = dial($port);
		put($c, $bytes);
		my $rv = judge('whole', $row, $c);
		shut($c);
		if (length $bytes < 2000) {
			my $d = dial($port);
			for my $i (0 .. length($bytes) - 1) {
				put($d, substr($bytes, $i, 1)) == 1 or last;
				last if $d->{buf} ne '' || $d->{eof};
			}
			$rv &= judge('byte by byte', $row, $d);
			shut($d);
		}
		check(1, "$row->[0]: $row->[2]" . ($row->[3] == 1 ? ', closed' : '')) if $rv;
		$lives &&= good("after $row->[0]") if $row->[0] !~ /["\\]/;
	}
	check($lives, 'a good call on a new connection follows each of them');
}

# --- what is right, however odd

sub accepted {
	my $b = '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"fine"}]}';
	my $l = length $b;
	my %fine = (
		'chunked' => head($P, $H, $T, 'Transfer-Encoding: chunked') . hx($l) . "\r\n$b\r\n0\r\n\r\n",
		'chunked, a byte each' => head($P, $H, $T, 'Transfer-Encoding: chunked') .
		    join('', map { "1\r\n$_\r\n" } split //, $b) . "0\r\n\r\n",
		'chunk-ext within 256 bytes' => head($P, $H, $T, 'Transfer-Encoding: chunked') .
		    hx($l) . ";a=b;c=\"d\"\r\n$b\r\n0\r\n\r\n",
		'100 fields' => head($P, $H, $T, (map { "X-$_: a" } 1 .. 96), "Content-Length: $l") . $b,
		'h2c is ignored' => head($P, $H, $T, 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c',
		    'HTTP2-Settings: AAMAAABk', "Content-Length: $l") . $b,
		'HTTP/1.0' => head('POST /v1/chat/completions HTTP/1.0', $H, $T, "Content-Length: $l") . $b,
		'unknown query name' => head('POST /v1/chat/completions?x=1&y=%20 HTTP/1.1', $H, $T, "Content-Length: $l") . $b,
		'Content-Encoding: identity' => head($P, $H, $T, 'Content-Encoding: identity', "Content-Length: $l") . $b,
	);
	for my $name (sort keys %fine) {
		$good++;
		my $a = call($port, $fine{$name}, 60);
		check($a && $a->{status} == 200 && $a->{whole}, "$name: 200", $a && $a->{head}, $a && $a->{body});
	}
}

# What the client says in its head does not arrive.
sub stripped {
	my $at = -s $log;
	my $b = '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hop"}]}';
	$good++;
	my $a = call($port, head($P, $H, $T, 'Connection: keep-alive, X-Secret', 'X-Secret: word', 'Keep-Alive: 5',
	    'X-Forwarded-For: 1.2.3.4', 'Forwarded: for=1.2.3.4', 'X-Api-Key: sk-other', 'Api-Key: sk-other',
	    'X-Goog-Api-Key: sk-other', 'Cookie: a=b', 'Proxy-Authorization: Basic eA==', 'TE: trailers',
	    'OpenAI-Organization: org-word', 'OpenAI-Beta: assistants=v2', 'Accept-Encoding: gzip, br',
	    'X-Stainless-Lang: word', 'Via: 1.1 word', 'Content-Length: ' . length $b) . $b, 60);
	my $row = log_wait($log, $at, 60, sub { $_[0]{event} eq 'request' });
	my $head = lc($row ? $row->{head} : '');
	my %ok = map { $_ => 1 } qw(host authorization content-type content-length accept accept-encoding
	    user-agent openai-beta);
	my @more = grep { !$ok{$_} } $head =~ /^([^:\s]+):/mg;
	check($a && $a->{status} == 200 && !@more, 'the provider gets the listed fields and no other', "@more", $head);
	check($head =~ /^openai-beta: *assistants=v2\r$/m, 'openai-beta passes', $head);
	check($head =~ /^accept-encoding: *identity\r$/m, 'identity is asked for', $head);
	check($head !~ /word|sk-other|tp_/, 'nothing of the client\'s fields', $head);
}

# --- one after the other

sub pipeline {
	my $c = dial($port);
	my $mk = sub { post($key, '/v1/chat/completions',
	    qq({"model":"gpt-4o-mini","messages":[{"role":"user","content":"pipe-$_[0]"}]})) };
	put($c, join('', map { $mk->($_) } 1 .. 5));
	$good += 5;
	my $order = '';
	for my $i (1 .. 5) {
		my $a = answer($c, 60);
		$order .= $a && $a->{status} == 200 && $a->{body} =~ /pipe-(\d)/ ? $1 : '-';
	}
	check($order eq '12345', 'five requests in one write: five answers in order', $order);
	shut($c);
	$c = dial($port);
	fresh();
	put($c, $mk->(6) . bare("Content-Length: $n", "Content-Length: $n") . with());
	$good++;
	my ($a, $b) = (answer($c, 60), answer($c, 60));
	check($a && $a->{status} == 200, 'the request before a malformed one is answered');
	check($b && $b->{status} == 400, 'then the malformed one');
	check(gone($c, 40) && $c->{buf} eq '', 'and nothing behind it', $c->{buf});
	shut($c);
	fresh();
	$c = dial($port);
	put($c, with('Connection: close') =~ s/refused/allowed/r . with());
	$good++;
	$a = answer($c, 60);
	check($a && $a->{status} == 200 && gone($c, 40) && $c->{buf} eq '',
	    'nothing behind Connection: close is served', $a && $a->{head}, $c->{buf});
	shut($c);
}

sub big {
	my ($size) = @_;
	my ($x, $y) = ('{"model":"gpt-4o-mini","messages":[{"role":"user","content":"', '"}]}');
	return $x . 'x' x ($size - length($x) - length($y)) . $y;
}

sub expect {
	my $b = big(300000);
	my $c = dial($port);
	put($c, head($P, $H, $T, 'Expect: 100-continue', 'Content-Length: ' . length $b));
	my $end = now() + 60;
	Raw::take($c, 1) while $c->{buf} !~ /\r\n\r\n/ && now() < $end;
	check($c->{buf} =~ m{^HTTP/1\.1 100 }, 'Expect: 100 comes', $c->{buf});
	put($c, $b);
	$good++;
	my $a = answer($c, 60);
	check($a && $a->{status} == 200, 'and with the body, 200', $a && $a->{head});
	shut($c);
	$c = dial($port);
	put($c, head($P, $H, $T, 'Expect: 100-continue', 'Content-Length: ' . length $b) . $b, 60, 1);
	$good++;
	$a = answer($c, 60);
	check($a && $a->{status} == 200, 'a client that does not wait for it', $a && $a->{head});
	shut($c);
	my $bad = substr($key, 0, -1) . (substr($key, -1) eq 'a' ? 'b' : 'a');
	for my $k ('tp_dev_AAAAAAAAAAAA_0123456789012345678901234567890123456789012aaaaaa', $bad) {
		$c = dial($port);
		put($c, head($P, $H, "Authorization: Bearer $k", 'Expect: 100-continue', 'Content-Length: ' . length $b));
		$a = answer($c, 60);
		check($a && $a->{status} == 401 && $a->{interim} eq '', 'a stranger gets 401 and no 100', $a && $a->{interim});
		shut($c);
	}
}

sub sizes {
	my $b = big(32 << 20);
	my $at = -s $log;
	$good++;
	my $a = call($port, post($key, '/v1/chat/completions', $b), 120);
	my $row = log_wait($log, $at, 60, sub { $_[0]{event} eq 'request' });
	check($a && $a->{status} == 200 && $row && $row->{received} == 32 << 20, '32 MiB pass', $a && $a->{head});
	$a = call($port, head($P, $H, $T, 'Content-Length: ' . (length($b) + 1)), 60);
	check($a && $a->{status} == 413, 'one byte more, declared: 413', $a && $a->{head});
	check($a && $a->{head} =~ /^x-should-retry: false/mi, 'not to be retried', $a && $a->{head});
	my $c = dial($port);
	put($c, head($P, $H, $T, 'Transfer-Encoding: chunked') . hx(length $b) . "\r\n", 60);
	put($c, \$b, 120);
	put($c, "\r\n1\r\nx\r\n0\r\n\r\n", 60);
	$a = answer($c, 60);
	check($a && $a->{status} == 413, 'one byte more, chunked: 413', $a && $a->{head});
	shut($c);
	for ([65536, 0], [65537, 1]) {
		my ($size, $over) = @$_;
		my $j = '{"agent_id":"http-bot","description":"' . 'd' x ($size - 40) . '"}';
		$j .= ' ' x ($size - length $j);
		$a = call($port, head('POST /agents HTTP/1.1', $H, "Authorization: Bearer $admin",
		    'Content-Type: application/json', "Content-Length: $size") . $j, 60);
		check($a && ($over ? $a->{status} == 413 : $a->{status} =~ /^(200|201|400)$/),
		    "control route, $size bytes: " . ($over ? '413' : 'read'), $a && $a->{head}, $a && $a->{body});
	}
}

# --- time

sub slow {
	my $t = now();
	my $h = dial($port);	# a head that drips
	my $i = dial($port);	# says nothing
	my $j = dial($port);	# idle after a call
	my $k = dial($port);	# a body that stops
	my $l = dial($port);	# a large body that stops
	put($j, "GET /health HTTP/1.1\r\n$H\r\n");
	answer($j, 60);
	fresh();
	put($k, substr(with(), 0, -10));
	put($l, head($P, $H, $T, 'Content-Length: 1000000') . '{"model":"gpt-4o-mini",' . ' ' x 2000);
	put($h, "$P\r\n${H}X: ");
	my %end;
	my %c = (h => $h, i => $i, j => $j, k => $k, l => $l);
	while (now() < $t + 60 && keys %end < 5) {
		put($h, 'a') if !$end{h};
		for my $n (keys %c) {
			next if $end{$n};
			Raw::take($c{$n}, 0.02);
			$end{$n} = now() - $t if $c{$n}{eof};
		}
		sleep 0.1;
	}
	my %want = (h => ['a head that drips', 2, 30, '400|408'], i => ['a connection that says nothing', 2, 30, ''],
	    j => ['an idle kept connection', 2, 30, ''], k => ['a body that stops', 5, 50, '400|408'],
	    l => ['a large one', 5, 50, '400|408']);
	for my $n (sort keys %want) {
		my ($name, $min, $max, $st) = @{$want{$n}};
		my $e = $end{$n};
		check($e && $e > $min - 0.3 && $e < $max, "$name is ended in time" , $e && sprintf '%.1f s', $e);
		check($c{$n}{buf} =~ m{^HTTP/1\.1 (?:$st) }, "with $st", $c{$n}{buf}) if $st ne '';
		shut($c{$n});
	}
}

# Loopback does not count as one address: limit source is for strangers.
sub many {
	my @c = map { dial($port) } 1 .. 300;
	my $open = 0;
	for my $c (@c) { put($c, "GET /health HTTP/1.1\r\n$H\r\n") if $c; }
	for my $c (@c) { my $a = $c && answer($c, 60); $open++ if $a && $a->{status} == 200; }
	check($open == 300, '300 connections from loopback are served', $open);
	shut($_) for grep { $_ } @c;
}

if ($part eq 'time') {
	slow();
} else {
	table();
	accepted();
	stripped();
	pipeline();
	expect();
	sizes();
	many();
}
check(good('last'), 'a good call at the end');
diag("good calls $good");

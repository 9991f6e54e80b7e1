# SPDX-License-Identifier: ISC
# Raw.pm: an HTTP client that sends exactly the bytes it is given, and what the
# scenarios in perl share.  Core modules only; loopback only.
package Raw;
use strict;
use warnings;
use Exporter 'import';
use Fcntl;
use IO::Socket::INET;
use JSON::PP ();
use Socket qw(IPPROTO_TCP TCP_NODELAY SOL_SOCKET SO_LINGER);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC sleep);

our @EXPORT = qw(now dial put answer gone shut call post check diag log_wait
    log_rows percentile);

# Seconds of CLOCK_MONOTONIC: the clock of the provider's t_ns.
sub now { return clock_gettime(CLOCK_MONOTONIC) }

# Verdicts for the shell: "0 NAME" is a pass (perl.sh turns them into TAP).
sub check {
	my ($good, $name, @why) = @_;
	$name =~ s/[^ -~]/?/g;
	print $good ? 0 : 1, " $name\n";
	return $good if $good;
	for my $w (@why) {
		$w //= 'nothing';
		$w = substr($w, 0, 400);
		$w =~ s/[^ -~]/./g;
		print "#   $w\n";
	}
	return 0;
}
sub diag { print "# @_\n" }

sub dial {
	my ($port) = @_;
	my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Timeout => 5)
	    or return undef;
	setsockopt($s, IPPROTO_TCP, TCP_NODELAY, 1);
	$s->blocking(0);
	binmode $s;
	return { s => $s, buf => '', eof => 0, rst => 0 };
}

# Whatever can be read now; waits up to $secs for the first of it.
sub take {
	my ($c, $secs) = @_;
	return 0 if $c->{eof};
	my $r = '';
	vec($r, fileno($c->{s}), 1) = 1;
	return -1 if select($r, undef, undef, $secs) <= 0;
	my $n = sysread($c->{s}, $c->{buf}, 262144, length $c->{buf});
	return -1 if !defined $n && $!{EAGAIN};
	if (!$n) { $c->{eof} = 1; $c->{rst} = 1 if !defined $n; }
	return $n // 0;
}

# Sends all of it; stops when an answer or the end of the connection is there,
# unless $blind.  Returns the bytes that the kernel took.
sub put {
	my ($c, $data, $secs, $blind) = @_;
	my ($at, $end) = (0, now() + ($secs // 20));
	my $p = ref $data ? $data : \$data;
	while ($at < length $$p && now() < $end) {
		my ($r, $w) = ('', '');
		vec($w, fileno($c->{s}), 1) = 1;
		vec($r, fileno($c->{s}), 1) = 1 if !$blind && !$c->{eof};
		next if select($r, $w, undef, 1) <= 0;
		if (vec($r, fileno($c->{s}), 1)) { take($c, 0); last; }
		local $SIG{PIPE} = 'IGNORE';
		my $n = syswrite($c->{s}, $$p, 262144, $at);
		if (!defined $n) {
			next if $!{EAGAIN};
			$c->{eof} = $c->{rst} = 1 if !$blind;
			last;
		}
		$at += $n;
	}
	return $at;
}

# One answer, interim ones put aside in {interim}.  {whole}: its framing was
# complete.  undef when nothing came.
sub answer {
	my ($c, $secs, $headonly) = @_;
	my $end = now() + ($secs // 20);
	my %a = (interim => '', body => '', whole => 0, status => 0);
	for (;;) {
		while ($c->{buf} !~ /\r\n\r\n/) {
			my $left = $end - now();
			return undef if $left <= 0 || take($c, $left) == 0;
		}
		$c->{buf} =~ s/^(.*?\r\n)\r\n//s;
		$a{head} = $1;
		($a{status}) = $a{head} =~ m{^HTTP/1\.1 (\d{3}) };
		$a{status} //= 0;
		last if $a{status} >= 200 || !$a{status};
		$a{interim} .= $a{head};
	}
	my $more = sub {
		my $left = $end - now();
		return $left > 0 && take($c, $left) != 0;
	};
	if ($headonly) {
		$a{whole} = 1;
	} elsif ($a{head} =~ /^content-length: *(\d+)/mi) {
		my $l = $1;
		while (length $c->{buf} < $l) { $more->() or last; }
		$a{whole} = length $c->{buf} >= $l ? 1 : 0;
		$a{body} = substr($c->{buf}, 0, $l, '');
	} elsif ($a{head} =~ /^transfer-encoding: *chunked/mi) {
		CHUNK: for (;;) {
			my $size;
			until (($size) = $c->{buf} =~ /^([0-9a-fA-F]+)\r\n/) { $more->() or last CHUNK; }
			my ($l, $skip) = (hex $size, length($size) + 2);
			while (length $c->{buf} < $skip + $l + 2) { $more->() or last CHUNK; }
			$a{body} .= substr($c->{buf}, $skip, $l);
			substr($c->{buf}, 0, $skip + $l + 2) = '';
			if (!$l) { $a{whole} = 1; last; }
		}
	} else {
		1 while $more->();
		$a{body} = $c->{buf};
		$c->{buf} = '';
		$a{whole} = $c->{eof};
	}
	return \%a;
}

# True if the peer ends the connection within $secs; what it says first is kept.
sub gone {
	my ($c, $secs) = @_;
	my $end = now() + $secs;
	while (!$c->{eof} && now() < $end) { take($c, $end - now()); }
	return $c->{eof};
}

# Ours; hard: with a reset.
sub shut {
	my ($c, $hard) = @_;
	setsockopt($c->{s}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)) if $hard;
	close $c->{s};
}

# A request with its fields in order.
sub post {
	my ($key, $path, $body, @more) = @_;
	return "POST $path HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $key\r\n" .
	    "Content-Type: application/json\r\n" . join('', map { "$_\r\n" } @more) .
	    'Content-Length: ' . length($body) . "\r\n\r\n" . $body;
}

# A whole request on a connection of its own.
sub call {
	my ($port, $bytes, $secs) = @_;
	my $c = dial($port) or return undef;
	put($c, $bytes, $secs);
	my $a = answer($c, $secs);
	shut($c);
	return $a;
}

# --- the provider's log

sub log_rows {
	my ($file, $from) = @_;
	open(my $f, '<', $file) or return ();
	seek($f, $from // 0, 0);
	my @rows;
	while (my $l = <$f>) {
		last if $l !~ /\n\z/;
		my $row = eval { JSON::PP->new->latin1->decode($l) };
		push @rows, $row if $row;
	}
	return @rows;
}

# Waits until $want (a sub over a row) matches behind byte $from; its row.
sub log_wait {
	my ($file, $from, $secs, $want) = @_;
	my $end = now() + $secs;
	my $at = $from;
	open(my $f, '<', $file) or return undef;
	while (now() < $end) {
		seek($f, $at, 0);
		while (my $l = <$f>) {
			last if $l !~ /\n\z/;
			$at += length $l;
			my $row = eval { JSON::PP->new->latin1->decode($l) } or next;
			return $row if $want->($row);
		}
		sleep 0.003;
	}
	return undef;
}

sub percentile {
	my ($p, @v) = @_;
	return 0 if !@v;
	@v = sort { $a <=> $b } @v;
	my $i = int($p * @v / 100 + 0.9999) - 1;
	return $v[$i < 0 ? 0 : $i > $#v ? $#v : $i];
}
1;

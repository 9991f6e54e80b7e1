# SPDX-License-Identifier: ISC
# report.pl DIR: medians over rounds of ratios formed inside each round, from
# rounds.csv and memory.csv; prints a table, writes summary.csv and plot.svg.
# A round counts unless others had more than 10 % of the program's core, an
# answer was not 200, or the ledger flushed less often than it committed.
use strict;
use warnings;

my $dir = shift or die "usage: report.pl DIR\n";
my (%row, %rounds, @mem);

sub table {
	my ($file) = @_;
	open my $f, '<', "$dir/$file" or die "$dir/$file: $!\n";
	my ($head, @lines) = map { chomp; [split /,/, $_, -1] } <$f>;
	return map { my %h; @h{@$head} = @$_; \%h } @lines;
}
sub median {
	my @v = sort { $a <=> $b } @_;
	return undef unless @v;
	return @v % 2 ? $v[$#v / 2] : ($v[@v / 2 - 1] + $v[@v / 2]) / 2;
}
sub usable {
	my ($r) = @_;
	return 'no answers' unless $r->{answers} > 0 || $r->{events} > 0;
	return 'errors' if $r->{errors} > 0;
	return 'disturbed' if $r->{others_pct} > 10 && !$ENV{NOISY};
	return 'unsynced' if $r->{program} eq 'gateway' &&
	    $r->{syncs} < $r->{batches};
	return '';
}
my %dropped;
for my $r (table('rounds.csv')) {
	my $why = usable($r);
	if ($why) {
		$dropped{"$r->{program} $r->{figure}: $why"}++;
		next;
	}
	$r->{rps} = $r->{answers} / $r->{secs};
	$r->{cpu} = $r->{cpu_us} / $r->{answers} if $r->{answers};
	$r->{evcpu} = $r->{cpu_us} / $r->{events} if $r->{events};
	$row{$r->{figure}}{$r->{program}}{$r->{round}} = $r;
}
@mem = table('memory.csv');

# Values of a column over the rounds; with nginx's row of the same round.
sub each_round {
	my ($fig, $prog, $f) = @_;
	my $mine = $row{$fig}{$prog} || {};
	my $floor = $row{$fig}{nginx} || {};
	return map { $f->($mine->{$_}, $floor->{$_}) }
	    grep { $floor->{$_} } keys %$mine;
}
sub ratio {
	my ($fig, $prog, $col) = @_;
	return median(each_round($fig, $prog, sub { $_[0]{$col} / $_[1]{$col} }));
}
sub value {
	my ($fig, $prog, $col) = @_;
	return median(map { $_->{$col} } values %{$row{$fig}{$prog} || {}});
}
sub beyond {
	my ($fig, $prog, $col) = @_;
	return median(each_round($fig, $prog, sub {
		$_[0]{$col} - $_[1]{$col} -
		    ($_[0]{fdatasync_us} eq '' ? 0 : $_[0]{fdatasync_us}) }));
}
sub slope {
	my ($prog, $col) = @_;
	my %at = map { $_->{streams} => $_ } grep { $_->{program} eq $prog } @mem;
	return undef unless $at{200} && $at{1200} && $at{1200}{$col} > 0;
	return ($at{1200}{$col} - $at{200}{$col}) / 1000;
}
sub idle {
	my ($prog) = @_;
	my ($m) = grep { $_->{program} eq $prog && $_->{streams} == 0 } @mem;
	return $m && $m->{pss_kib} / 1024;
}

my @progs = qw(nginx haproxy gateway nosync);
my @figures = (	# name, unit, wanted, sign, function of a program
	['throughput, c=32', 'x nginx', 0.5, '>=', sub { ratio('c32', $_[0], 'rps') }],
	['throughput, c=256', 'x nginx', 0.8, '>=', sub { ratio('c256', $_[0], 'rps') }],
	['CPU a request, c=32', 'x nginx', 2.0, '<=', sub { ratio('c32', $_[0], 'cpu') }],
	['CPU a request, c=32', 'us', undef, '', sub { value('c32', $_[0], 'cpu') }],
	['CPU a request, c=256', 'us', undef, '', sub { value('c256', $_[0], 'cpu') }],
	['answers a second, c=32', '', undef, '', sub { value('c32', $_[0], 'rps') }],
	['answers a second, c=256', '', undef, '', sub { value('c256', $_[0], 'rps') }],
	['76 KB body, p50 over nginx and fdatasync', 'us', 200, '<=', sub { beyond('body', $_[0], 'p50_us') }],
	['76 KB body, p50', 'us', undef, '', sub { value('body', $_[0], 'p50_us') }],
	['first token, over nginx and fdatasync', 'us', 100, '<=', sub { beyond('first', $_[0], 'first_us') }],
	['first token, p50', 'us', undef, '', sub { value('first', $_[0], 'first_us') }],
	['CPU a paced event of 200 bytes', 'us', undef, '', sub { value('paced', $_[0], 'evcpu') }],
	['memory an idle stream', 'KiB', 30, '<=', sub { slope($_[0], 'pss_kib') }],
	['idle PSS', 'MiB', 16, '<=', sub { idle($_[0]) }],
);

open my $csv, '>', "$dir/summary.csv" or die "$dir/summary.csv: $!\n";
print $csv join(',', 'figure', 'unit', @progs, 'wanted'), "\n";
open my $m, '<', "$dir/machine.txt" or die "$dir/machine.txt: $!\n";
print "# $_" while <$m>;
printf "\n%-41s %-8s", 'figure', 'unit';
printf " %9s", $_ for @progs;
print "   wanted of the gateway\n";
my @plot;
for my $f (@figures) {
	my ($name, $unit, $want, $sign, $fn) = @$f;
	my @v = map { $fn->($_) } @progs;
	$name =~ s/ over nginx and fdatasync/ over nginx, beyond one fdatasync/;
	$name =~ s/, over nginx, beyond/ over nginx, beyond/;
	my $verdict = '';
	if (defined $want) {
		my $g = $v[2];
		$verdict = "$sign $want: " . (!defined $g ? 'not measured' :
		    ($sign eq '<=' ? $g <= $want : $g >= $want) ? 'reached' :
		    sprintf('missed by %.0f %%', 100 * abs($g - $want) / $want));
	}
	my @t = map { !defined $_ ? '-' : abs($_) < 10 ? sprintf('%.2f', $_) :
	    sprintf('%.0f', $_) } @v;
	printf "%-41.41s %-8s", $name, $unit;
	printf " %9s", $_ for @t;
	print "   $verdict\n";
	print $csv join(',', "\"$name\"", $unit, @t, "\"$verdict\""), "\n";
	push @plot, [$name, $unit, $want, \@v, \@t];
}
close $csv;
print "\nnosync acknowledges before the record is on the device: not for service.\n";
for my $f (qw(c32 c256 body first)) {
	my @r = values %{$row{$f}{gateway} || {}};
	next unless @r;
	printf "%s: %d rounds; a round had %s syncs for %s batches, " .
	    "fdatasync p50 %s us; others had %s %% of the core, load core %s %%\n",
	    $f, scalar @r, map { my $c = $_; median(map { $_->{$c} } @r) }
	    qw(syncs batches fdatasync_us others_pct load_pct);
}
my %k = map { $_->{program} . $_->{streams} => $_ } @mem;
if ($k{gateway200} && $k{gateway1200}) {
	my $socks = $k{gateway1200}{tcp_sockets} - $k{gateway200}{tcp_sockets};
	printf "kernel: %d KiB TCP memory at 200 streams each, %d at 1200, " .
	    "for %d more sockets (all ends, all programs)\n",
	    $k{gateway200}{tcp_kib}, $k{gateway1200}{tcp_kib}, $socks;
}
print "dropped: $_ in $dropped{$_} round(s)\n" for sort keys %dropped;

# --- plot: a row of bars for each figure, no tool needed ---------------------
my %colour = (nginx => '#7a8a99', haproxy => '#b0bcc8', gateway => '#1f6fb2',
    nosync => '#9cc3e6');
my ($y, $svg) = (30, '');
for my $p (@plot) {
	my ($name, $unit, $want, $v, $t) = @$p;
	my ($max) = sort { $b <=> $a } map { defined $_ ? abs $_ : 0 } @$v, $want;
	next unless $max > 0;
	$svg .= qq(<text x="10" y="$y" font-weight="bold">$name) .
	    ($unit ? " [$unit]" : '') . "</text>\n";
	for my $i (0 .. $#progs) {
		next unless defined $v->[$i];
		$y += 16;
		my $w = sprintf '%.1f', 420 * ($v->[$i] > 0 ? $v->[$i] : 0) / $max;
		my ($base, $tx) = ($y - 10, 96 + $w);
		$svg .= qq(<text x="20" y="$y">$progs[$i]</text>) .
		    qq(<rect x="90" y="$base" width="$w" height="11" ) .
		    qq(fill="$colour{$progs[$i]}"/>) .
		    qq(<text x="$tx" y="$y">$t->[$i]</text>\n);
	}
	if (defined $want) {
		my $x = sprintf '%.1f', 90 + 420 * $want / $max;
		my $top = $y - 16 * grep({ defined } @$v) + 4;
		my $end = $y + 4;
		$svg .= qq(<line x1="$x" x2="$x" y1="$top" y2="$end" ) .
		    qq(stroke="#c03030" stroke-dasharray="3 2"/>\n);
	}
	$y += 30;
}
open my $s, '>', "$dir/plot.svg" or die "$dir/plot.svg: $!\n";
print $s qq(<svg xmlns="http://www.w3.org/2000/svg" width="620" height="$y" ) .
    qq(font-family="sans-serif" font-size="11">\n) .
    qq(<rect width="100%" height="100%" fill="white"/>\n$svg</svg>\n);
close $s or die "$dir/plot.svg: $!\n";
print "files: $dir/rounds.csv memory.csv summary.csv plot.svg machine.txt\n";

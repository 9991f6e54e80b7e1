# SPDX-License-Identifier: ISC
# starttime.pl SOCKET COMMAND...: milliseconds from fork to READY=1 on
# NOTIFY_SOCKET; then the command is ended by SIGTERM.
use strict;
use warnings;
use IO::Socket::UNIX;
use Time::HiRes qw(time);
my $path = shift;
unlink $path;
my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path) or die "$path: $!";
$ENV{NOTIFY_SOCKET} = $path;
my $t = time;
my $pid = fork // die;
if (!$pid) { exec @ARGV or die }
my $ms = "none";
local $SIG{ALRM} = sub { die "no READY\n" };
alarm 120;
eval { while (defined $s->recv(my $m, 4096)) {
	next unless $m =~ /^READY=1$/m;
	$ms = sprintf "%.1f", (time - $t) * 1000;
	last;
} };
alarm 0;
select undef, undef, undef, 0.5;	# the other worker comes up too
kill TERM => $pid;
waitpid $pid, 0;
print "$ms\n";

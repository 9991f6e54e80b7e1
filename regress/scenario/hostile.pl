# SPDX-License-Identifier: ISC
# A control socket whose every answer tries to move a terminal's cursor:
# hostile.pl PATH.  Serves until it is ended.
use strict;
use warnings;
use Socket;
my ($path) = @ARGV;
my $evil = "\x1b[31m\x07\x0d\x7f\xc2\x9b31m\xc2\x85\x9b31m\xe2\x80\xaeabc";
socket(my $l, AF_UNIX, SOCK_SEQPACKET, 0) or die;
bind($l, pack_sockaddr_un($path)) or die;
listen($l, 8) or die;
# M_ANSWER: cookie, status, more, fields
sub answer {
	my ($s, $status, $more, @f) = @_;
	my $m = pack('NnCn', 1, $status, $more, scalar @f) .
	    join '', map { pack('n/a*', $_) } @f;
	send($s, pack('nnN', 0x018b, 0, length $m) . $m, MSG_NOSIGNAL);
}
while (accept(my $s, $l)) {
	my $q;
	while (defined recv($s, $q, 65536, 0) && length $q) {
		my $type = unpack 'n', $q;
		if ($type == 0x0203) {		# ADMIN_KEY_CREATE: refused
			answer($s, 400, 0, 'bad', "why $evil");
			next;
		}
		answer($s, 200, 1, map { "f$_ $evil" } 1 .. 20);
		answer($s, 200, 0);
	}
}

/* SPDX-License-Identifier: ISC */
/*
 * inject PID CALL: makes a running process execute one system call, by ptrace,
 * and says what became of it: "killed", "errno N" or "returned N".  A test
 * tool: it proves the role's filter and not a copy of it in a test child.
 */
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Arguments may name the string or buffer put below the stack pointer. */
#define STR	0x7fffffffffffff01ULL
#define BUF	0x7fffffffffffff02ULL
#define PARENT	0x7fffffffffffff03ULL

static const struct call {
	const char	*name;
	long		 nr;
	uint64_t	 arg[6];
	const char	*str;
} calls[] = {
	{ "execve", SYS_execve, { STR, 0, 0 }, "/bin/true" },
	{ "ptrace", SYS_ptrace, { PTRACE_ATTACH, PARENT, 0, 0 }, "" },
	{ "process_vm_readv", SYS_process_vm_readv,
	    { PARENT, BUF, 1, BUF, 1, 0 }, "" },
	{ "openat_passwd", SYS_openat, { (uint64_t)AT_FDCWD, STR, O_RDONLY },
	    "/etc/shadow" },
	{ "socket_inet", SYS_socket, { AF_INET, SOCK_STREAM, 0 }, "" },
	{ "socket_unix", SYS_socket, { AF_UNIX, SOCK_STREAM, 0 }, "" },
	{ "connect", SYS_connect, { 0, BUF, 16 }, "" },
	{ "sendto_fastopen", SYS_sendto, { 0, BUF, 1, MSG_FASTOPEN, BUF, 16 },
	    "" },
	{ "sendmsg_fastopen", SYS_sendmsg, { 0, BUF, MSG_FASTOPEN }, "" },
	{ "shutdown_listen", SYS_shutdown, { 0, SHUT_RDWR }, "" },
	{ "attach_filter", SYS_setsockopt, { 0, SOL_SOCKET, SO_ATTACH_FILTER,
	    BUF, 16 }, "" },
	{ "mmap_exec", SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0 }, "" },
	{ "memfd_create", SYS_memfd_create, { STR, 0 }, "x" },
	{ "unshare", SYS_unshare, { CLONE_NEWUSER }, "" },
	{ "mount", SYS_mount, { STR, STR, STR, 0, 0 }, "/" },
	{ "bpf", SYS_bpf, { 0, BUF, 16 }, "" },
	{ "io_uring_setup", SYS_io_uring_setup, { 4, BUF }, "" },
	{ "keyctl", SYS_keyctl, { 0, 0 }, "" },
	{ "perf_event_open", SYS_perf_event_open, { BUF, 0, 0, 0, 0 }, "" },
	{ "kill_parent", SYS_kill, { PARENT, 0 }, "" },
	{ "fork", SYS_fork, { 0 }, "" },
	{ "setuid", SYS_setuid, { 0 }, "" },
	{ "clock_gettime", SYS_clock_gettime, { 0, BUF }, "" },
};

static int
wait_stop(pid_t pid, int *status)
{
	return waitpid(pid, status, __WALL) == pid ? 0 : -1;
}

static void
write_below(pid_t pid, uint64_t at, const char *s)
{
	uint64_t	 word;
	size_t		 i, len;

	len = strlen(s) + 1;
	for (i = 0; i < len; i += 8) {
		word = 0;
		memcpy(&word, s + i, len - i < 8 ? len - i : 8);
		ptrace(PTRACE_POKEDATA, pid, (void *)(uintptr_t)(at + i),
		    (void *)(uintptr_t)word);
	}
}

static pid_t
parent_of(pid_t pid)
{
	char	 path[64], buf[512], *p;
	ssize_t	 n;
	int	 fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if ((fd = open(path, O_RDONLY)) == -1)
		return 1;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	p = strrchr(buf, ')');
	return p == NULL ? 1 : atoi(p + 4);
}

static void
result(pid_t pid, int status)
{
	struct user_regs_struct	 r;

	if (WIFSIGNALED(status) || WIFEXITED(status)) {
		puts("killed");
		return;
	}
	if (WSTOPSIG(status) == SIGSYS) {
		puts("killed");
		kill(pid, SIGKILL);
		return;
	}
	ptrace(PTRACE_GETREGS, pid, NULL, &r);
	if ((int64_t)r.rax < 0 && (int64_t)r.rax > -4096)
		printf("errno %d\n", (int)-(int64_t)r.rax);
	else
		printf("returned %lld\n", (long long)r.rax);
}

int
main(int argc, char *argv[])
{
	struct user_regs_struct	 old, r;
	const struct call	*c;
	uint64_t		 a[6], below;
	size_t			 i;
	pid_t			 pid;
	long			 text;
	int			 status;

	if (argc != 3)
		return 2;
	pid = atoi(argv[1]);
	c = NULL;
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(calls[i].name, argv[2]) == 0)
			c = &calls[i];
	if (c == NULL || ptrace(PTRACE_ATTACH, pid, NULL, NULL) == -1 ||
	    wait_stop(pid, &status) == -1) {
		printf("cannot attach: %s\n", strerror(errno));
		return 1;
	}
	ptrace(PTRACE_GETREGS, pid, NULL, &old);
	below = (old.rsp - 4096) & ~15ULL;
	write_below(pid, below, c->str);
	for (i = 0; i < 6; i++)
		a[i] = c->arg[i] == STR ? below : c->arg[i] == BUF ?
		    below + 512 : c->arg[i] == PARENT ?
		    (uint64_t)parent_of(pid) : c->arg[i];
	/* "syscall; int3" where it stands, put back afterwards. */
	text = ptrace(PTRACE_PEEKTEXT, pid, (void *)(uintptr_t)old.rip, NULL);
	ptrace(PTRACE_POKETEXT, pid, (void *)(uintptr_t)old.rip,
	    (void *)((text & ~0xffffffL) | 0xcc050fL));
	r = old;
	r.orig_rax = (unsigned long long)-1;
	r.rax = (unsigned long long)c->nr;
	r.rdi = a[0], r.rsi = a[1], r.rdx = a[2];
	r.r10 = a[3], r.r8 = a[4], r.r9 = a[5];
	ptrace(PTRACE_SETREGS, pid, NULL, &r);
	ptrace(PTRACE_CONT, pid, NULL, NULL);
	if (wait_stop(pid, &status) == -1)
		return 1;
	result(pid, status);
	if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP) {
		ptrace(PTRACE_POKETEXT, pid, (void *)(uintptr_t)old.rip,
		    (void *)text);
		ptrace(PTRACE_SETREGS, pid, NULL, &old);
	}
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return 0;
}

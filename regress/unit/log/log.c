/* SPDX-License-Identifier: ISC */
/* Lines of roles and parents; a child can neither forge, flood nor block. */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/compat/compat.h"
#include "common/log/log.h"

static int	p[2];
static char	got[70000];

static int
setup(void **state)
{
	(void)state;
	return pipe2(p, O_NONBLOCK);
}

static int
teardown(void **state)
{
	(void)state;
	close(p[0]);
	close(p[1]);
	return 0;
}

static const char *
take(void)
{
	ssize_t	 n;

	n = read(p[0], got, sizeof(got) - 1);
	got[n < 0 ? 0 : n] = '\0';
	return got;
}

static void
test_role(void **state)
{
	char	 big[3000];

	(void)state;
	log_role("egress", p[1]);
	errno = ENOENT;
	log_info("a %d", 1);
	log_warnx("b\n3 forged\033[m");
	log_warn("c");
	log_debug("not asked for");
	assert_int_equal(errno, ENOENT);
	assert_string_equal(take(), "1 a 1\n2 b\\x0a3 forged\\x1b[m\n"
	    "2 c: No such file or directory\n");
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	log_info("%s", big);
	assert_true(strlen(take()) <= 1003);
	assert_int_equal(got[strlen(got) - 1], '\n');
}

/* A full pipe: nothing blocks, and the next line says how many were lost. */
static void
test_full(void **state)
{
	char	 junk[4096];
	int	 i;

	(void)state;
	log_role("egress", p[1]);
	memset(junk, 'j', sizeof(junk));
	while (write(p[1], junk, sizeof(junk)) > 0)
		continue;
	for (i = 0; i < 5; i++)
		log_info("lost");
	while (read(p[0], junk, sizeof(junk)) > 0)
		continue;
	log_info("back");
	log_info("again");
	assert_string_equal(take(), "1 [5 lines lost] back\n1 again\n");
}

/* stderr of a child that logs as a parent does. */
static const char *
as_parent(void (*act)(void), int *status)
{
	pid_t	 pid;

	pid = fork();
	if (pid == 0) {
		dup2(p[1], 2);
		log_parent("proxyd", 1);
		act();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, status, 0), pid);
	return take();
}

static void
act_child(void)
{
	log_child("worker 1", "2 warn\n", 7);
	log_child("worker 1", "9 no level", 10);
	log_child("worker 1", "\n", 1);
	log_child("worker 1", "", 0);
	log_child("worker 1", "0 hidden", 8);
	log_child("worker 1", "1 x\nbroker: forged", 18);
	log_child("worker 1", "1 \xc3\xa4 \xc2\x9b" "31m \xe2\x80\xae.", 15);
	log_verbose(1);
	log_child("worker 1", "0 shown", 7);
}

static void
test_child(void **state)
{
	int	 status;

	(void)state;
	assert_string_equal(as_parent(act_child, &status),
	    "proxyd: worker 1: warn\nproxyd: worker 1: 9 no level\n"
	    "proxyd: worker 1: \nproxyd: worker 1: \n"
	    "proxyd: worker 1: x\\x0abroker: forged\n"
	    "proxyd: worker 1: \xc3\xa4 \\xc2\\x9b31m \\xe2\\x80\\xae.\n"
	    "proxyd: worker 1: shown\n");
}

static void
act_flood(void)
{
	int	 i;

	for (i = 0; i < 1000; i++)
		log_child("worker 1", "1 flood", 7);
	log_child("broker", "1 quiet", 7);
}

static void
test_flood(void **state)
{
	const char	*s;
	int		 n, status;

	(void)state;
	s = as_parent(act_flood, &status);
	for (n = 0; (s = strstr(s, "flood")) != NULL; s++)
		n++;
	assert_true(n >= 200 && n <= 300);
	assert_non_null(strstr(got, "proxyd: broker: quiet\n"));
}

static void
act_fatal(void)
{
	errno = EACCES;
	fatal("open %s", "x");
}

static void
test_fatal(void **state)
{
	int	 status;

	(void)state;
	assert_string_equal(as_parent(act_fatal, &status),
	    "proxyd: open x: Permission denied\n");
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test_setup_teardown(test_role, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_child, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fatal, setup, teardown)
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

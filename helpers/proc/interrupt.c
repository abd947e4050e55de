#include "proc/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static const int watched[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
enum { WATCHED_COUNT = sizeof(watched) / sizeof(watched[0]) };

static volatile sig_atomic_t pending;

static void note(int number)
{
	if (pending == 0)
		pending = number;
}

void proc_interrupt_watch(void)
{
	struct sigaction action;

	/* Without SA_RESTART: a read from the terminal or a wait for a child must come back. */
	memset(&action, 0, sizeof(action));
	action.sa_handler = note;
	(void)sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < WATCHED_COUNT; i++) {
		struct sigaction before;
		/* What nohup(1) told the caller to ignore stays ignored. */
		if (sigaction(watched[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			(void)sigaction(watched[i], &action, NULL);
	}
}

int proc_interrupt_pending(void)
{
	return pending;
}

int proc_interrupt_check(struct fault *f)
{
	if (pending == 0)
		return 0;
	return fault_incomplete(f, "interrupted by signal %d; what was begun has been taken back", (int)pending);
}

void proc_interrupt_end(void)
{
	for (size_t i = 0; i < WATCHED_COUNT; i++) {
		struct sigaction now;
		if (sigaction(watched[i], NULL, &now) == 0 && now.sa_handler == note)
			(void)signal(watched[i], SIG_DFL);
	}
	if (pending != 0)
		(void)raise(pending);
}

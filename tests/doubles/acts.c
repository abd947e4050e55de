/*
 * tests/doubles/acts: honest but for one act (-DACT=...) at the start of one call (-DCALL="C_Initialize", or
 * the one that is written into the built module).
 */
#include <dirent.h>
#include <pthread.h>
#include <sys/resource.h>

static void act(void);

#ifndef CALL
/* tests/doubles/build writes the name of the call over it, so that one compilation serves for each. */
static const char *call_written(void)
{
	static const char name[] = "THE-NAME-OF-THE-CALL-GOES-HERE-";
	const char *here = name;

	/* What it holds is not what the compiler has seen. */
	__asm__("" : "+r"(here));
	return here;
}
#define CALL call_written()
#endif

#define STEP(call) \
	do { \
		if (strcmp(call, CALL) == 0) \
			act(); \
	} while (0)
#include "honest.h"

static inline void sleep_for_ever(void)
{
	for (;;)
		pause();
}

static inline void hang(void)
{
	sleep_for_ever();
}

/* Nothing but SIGKILL reaches it. */
static inline void hang_deaf(void)
{
	sigset_t all;

	for (int number = 1; number < NSIG; number++)
		(void)signal(number, SIG_IGN);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	sleep_for_ever();
}

static inline void spin(void)
{
	for (volatile unsigned long n = 0;; n++)
		;
}

static inline void stop(void)
{
	(void)raise(SIGSTOP);
}

static inline void crash(void)
{
	volatile int *volatile nowhere = NULL;
	*nowhere = 1;
}

/* The first time is for nothing. */
static inline void crash_later(void)
{
	static int before;

	if (before++ > 0)
		crash();
}

static inline void abort_now(void)
{
	abort();
}

static int endless = 1;

static inline int deep(volatile int *above)
{
	volatile int here[1024];

	here[0] = above != NULL ? *above + 1 : 0;
	return endless ? deep(here) + here[0] : 0;
}

static inline void overflow(void)
{
	(void)deep(NULL);
}

static inline void exit_well(void)
{
	exit(0);
}

static inline void exit_badly(void)
{
	_exit(3);
}

static inline void print(void)
{
	for (int i = 0; i < 20000; i++)
		(void)printf("a line of its own\n");
	(void)fflush(stdout);
	(void)fprintf(stderr, "and a complaint\n");
}

static inline void print_quietly(void)
{
	/* Stays in a buffer that exit(3) would write. */
	(void)printf("never flushed");
}

static inline void close_own(void)
{
	for (int fd = 0; fd < 3; fd++)
		(void)close(fd);
}

static inline void close_all(void)
{
	for (int fd = 3; fd < 1024; fd++)
		(void)close(fd);
}

/* What a logger does that opens its file after closing everything. */
static inline void reopen(void)
{
	close_all();
	for (int fd = 0; fd < 8; fd++)
		(void)open("/dev/null", O_RDWR | O_CREAT, 0600);
}

static inline void scribble(void)
{
	static const char line[] = "2026-01-01 00:00:00 connected to the appliance, all is well, nothing to see here\n";

	for (int fd = 3; fd < 16; fd++)
		for (int i = 0; i < 100; i++)
			if (write(fd, line, sizeof(line) - 1) < 0)
				break;
}

static inline void fork_stay(void)
{
	if (fork() == 0)
		sleep_for_ever();
}

/* A daemon of the classic kind: of no family and no session. */
static inline void fork_daemon(void)
{
	if (fork() == 0) {
		(void)setsid();
		if (fork() == 0)
			sleep_for_ever();
		_exit(0);
	}
}

static inline void fork_many(void)
{
	for (int i = 0; i < 30; i++)
		fork_daemon();
}

static inline void fork_and_hang(void)
{
	fork_stay();
	fork_daemon();
	hang_deaf();
}

static inline void fork_and_leave(void)
{
	if (fork() == 0)
		sleep_for_ever();
	_exit(0);
}

static inline void allocate(void)
{
	const size_t size = (size_t)1 << 30;
	char *memory = malloc(size);

	if (memory == NULL)
		exit(12);
	memset(memory, 1, size);
}

static void *thread(void *nothing)
{
	for (;;)
		(void)usleep(1000);
	return nothing;
}

static inline void threads(void)
{
	for (int i = 0; i < 16; i++) {
		pthread_t id;
		(void)pthread_create(&id, NULL, thread, NULL);
	}
}

static void *thread_crash(void *nothing)
{
	crash();
	return nothing;
}

static inline void crash_in_thread(void)
{
	pthread_t id;

	(void)pthread_create(&id, NULL, thread_crash, NULL);
	(void)pthread_join(id, NULL);
}

static inline void alarm_clock(void)
{
	struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_NOFILE, &none);
	(void)alarm(1);
	sleep_for_ever();
}

#ifdef MISSING_SYMBOL
extern void nobody_defines_this(void);
static inline void lazy(void)
{
	nobody_defines_this();
}
#endif

static void act(void)
{
	ACT();
}

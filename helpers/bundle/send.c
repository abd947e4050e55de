#include "bundle/send.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hex.h"
#include "bundle/cipher.h"
#include "fs/sha256.h"
#include "fs/handle.h"
#include "proc/child.h"

/* One of the connections at work. */
struct slot {
	struct proc_child child;
	size_t target;
};

int bundle_far_path(char ret_path[BUNDLE_FAR_PATH_SIZE], struct fault *f)
{
	unsigned char random[16];
	char hex[2 * sizeof(random) + 1];

	if (bundle_random(random, sizeof(random), f) < 0)
		return -1;
	hex_encode(random, sizeof(random), hex);
	(void)snprintf(ret_path, BUNDLE_FAR_PATH_SIZE, "/tmp/hsmbundle-%s.okvb", hex);
	return 0;
}

/* An open file of its own for each connection: they read at their own pace. */
static int reopen(int fd)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int connection_start(const struct bundle_send *how, const struct bundle_target *target, const char *command,
			    int input, struct proc_child *ret_child, struct fault *f)
{
	struct bundle_ssh_words words;
	struct proc_child_options run = PROC_CHILD_OPTIONS_INIT;

	if (bundle_ssh_words(&how->ssh, target, command, &words, f) < 0)
		return -1;
	run.argv = words.words;
	run.environment = how->environment;
	run.input = input;
	run.deadline_ms = how->timeout_ms;
	run.group = how->ssh.ask ? PROC_CHILD_OUR_GROUP : PROC_CHILD_OWN_GROUP;
	run.root = PROC_CHILD_STAY; /* keys and known hosts may be named from here */
	return proc_child_start(&run, ret_child, f);
}

static void verdict_set(struct bundle_sent *sent, const char *text, size_t length)
{
	(void)snprintf(sent->verdict, sizeof(sent->verdict), "%s", SHOWN_BYTES(text, length));
}

/* The last thing that was said is the reason, mostly. */
static void verdict_quote(struct bundle_sent *sent, const char *said, int status)
{
	size_t end = strlen(said);

	while (end > 0 && strchr("\r\n ", said[end - 1]) != NULL)
		end--;
	size_t start = end;
	while (start > 0 && said[start - 1] != '\n')
		start--;
	if (end > start)
		verdict_set(sent, said + start, end - start);
	else
		(void)snprintf(sent->verdict, sizeof(sent->verdict), "ssh ended with status %d", status);
}

/* True when something may have stayed there. */
static bool outcome_judge(const struct proc_outcome *outcome, uint64_t size, const char *digest,
			  struct bundle_sent *ret_sent)
{
	const bool answered = bundle_far_answer(text_string(&outcome->output), ret_sent->digest, &ret_sent->bytes);

	ret_sent->done = false;
	if (outcome->late)
		(void)snprintf(ret_sent->verdict, sizeof(ret_sent->verdict), "no answer in time");
	else if (!answered)
		verdict_quote(ret_sent, text_string(&outcome->output), outcome->status);
	else if (strcmp(ret_sent->digest, digest) != 0 || ret_sent->bytes != size)
		(void)snprintf(ret_sent->verdict, sizeof(ret_sent->verdict),
			       "the far side has other bytes than were sent");
	else if (outcome->status != 0)
		(void)snprintf(ret_sent->verdict, sizeof(ret_sent->verdict), "ssh ended with status %d",
			       outcome->status);
	else
		ret_sent->done = true;
	if (ret_sent->done)
		(void)snprintf(ret_sent->verdict, sizeof(ret_sent->verdict), "sent");
	return answered && !ret_sent->done;
}

/* The far side was content and we are not: take it back. */
static void far_remove(const struct bundle_send *how, const struct bundle_target *target, const char *far_path)
{
	TEXT_AUTO command = { 0 };
	struct fault ignored = { 0 };
	struct proc_child child = PROC_CHILD_INIT;
	struct proc_child *const children[] = { &child };
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	size_t which;

	bundle_far_remove(&command, far_path);
	const bool removed = connection_start(how, target, text_string(&command), -1, &child, &ignored) == 0 &&
			     proc_child_wait(children, 1, &which, &outcome, &ignored) == 0 && outcome.status == 0;
	proc_child_kill(&child);
	proc_outcome_done(&outcome);
	if (!removed)
		report_say(how->report, REPORT_WARNING, "%s may still have '%s'; run 'okv-luna bundle clean' there",
			   SHOWN(target->node), far_path);
}

/* Starts the next targets as long as slots are free. */
static int slots_fill(const struct bundle_send *how, int fd, const char *command, struct slot *slots, size_t *next,
		      struct bundle_sent *sent, struct fault *f)
{
	for (size_t i = 0; i < how->jobs && *next < how->count; i++) {
		if (slots[i].child.pid > 0)
			continue;
		FS_AUTO int input = reopen(fd);
		if (input < 0)
			return fault_system(f, errno, "cannot read the sealed file again");
		slots[i].target = (*next)++;
		sent[slots[i].target] = (struct bundle_sent){ .done = false };
		if (connection_start(how, &how->targets[slots[i].target], command, input, &slots[i].child, f) < 0)
			return -1;
	}
	return 0;
}

static int nodes_serve(const struct bundle_send *how, int fd, uint64_t size, const char *far_path, struct slot *slots,
		       struct bundle_sent *sent, struct fault *f)
{
	TEXT_AUTO command = { 0 };
	struct proc_child *children[PROC_CHILDREN_MAX];
	unsigned char digest[BUNDLE_DIGEST_SIZE];
	char hex[2 * BUNDLE_DIGEST_SIZE + 1];
	size_t next = 0;

	for (size_t i = 0; i < how->jobs; i++)
		children[i] = &slots[i].child;
	bundle_far_receive(&command, far_path, size);
	if (text_check(&command, f) < 0 || slots_fill(how, fd, text_string(&command), slots, &next, sent, f) < 0)
		return -1;

	/* While the first connections shake hands. */
	FS_AUTO int input = reopen(fd);
	if (input < 0)
		return fault_system(f, errno, "cannot read the sealed file again");
	if (fs_sha256_descriptor(input, "the sealed file", digest, f) < 0)
		return -1;
	hex_encode(digest, sizeof(digest), hex);

	for (size_t done = 0; done < how->count; done++) {
		struct proc_outcome outcome = PROC_OUTCOME_INIT;
		size_t which;
		if (proc_child_wait(children, how->jobs, &which, &outcome, f) < 0)
			return -1;
		const struct bundle_target *target = &how->targets[slots[which].target];
		struct bundle_sent *its = &sent[slots[which].target];
		const bool stayed = outcome_judge(&outcome, size, hex, its);
		proc_outcome_done(&outcome);
		report_say(how->report, REPORT_DETAIL, "%s: %s", SHOWN(target->node), its->verdict);
		if (slots_fill(how, fd, text_string(&command), slots, &next, sent, f) < 0)
			return -1;
		if (stayed)
			far_remove(how, target, far_path);
	}
	return 0;
}

int bundle_send(const struct bundle_send *how, int fd, uint64_t size, const char *far_path,
		struct bundle_sent *ret_sent, struct fault *f)
{
	struct bundle_send bounded = *how;
	struct slot *slots;

	if (how->ssh.ask || how->jobs == 0)
		bounded.jobs = 1;
	if (bounded.jobs > PROC_CHILDREN_MAX)
		bounded.jobs = PROC_CHILDREN_MAX;
	slots = calloc(bounded.jobs, sizeof(*slots));
	if (slots == NULL)
		return fault_memory(f);
	for (size_t i = 0; i < bounded.jobs; i++)
		slots[i].child = (struct proc_child)PROC_CHILD_INIT;

	const int r = nodes_serve(&bounded, fd, size, far_path, slots, ret_sent, f);
	for (size_t i = 0; i < bounded.jobs; i++)
		proc_child_kill(&slots[i].child);
	free(slots);
	return r;
}

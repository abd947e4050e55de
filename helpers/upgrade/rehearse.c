#include "upgrade/rehearse.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/preserved.h"
#include "fs/root.h"
#include "hsm/diagnosis.h"
#include "hsm/library.h"
#include "hsm/verdict.h"
#include "okv/needs.h"
#include "proc/child.h"
#include "proc/interrupt.h"
#include "proc/trace.h"
#include "upgrade/scan.h"

enum { MID_MS = 60 * 1000 };

#define POST_PROGRAM SETTINGS_PREFIX "/libexec/okv-luna-post-upgrade"

/* Not 0, 1 or 2: a script must not exit with one of these by accident. */
enum { MID_CHANGED = 71, MID_UNCHANGED = 73 };

/* From the processes inside the scratch root; proc/child sends faults. */
enum message {
	MESSAGE_STAGE,   /* a line */
	MESSAGE_DETAIL,  /* a line */
	MESSAGE_MISSED,  /* int errno, then the path of a file that could not be opened */
	MESSAGE_LOST,    /* struct fault: the HSM did not answer */
	MESSAGE_MODULE,  /* the library that OKV loads, if it was not found */
	MESSAGE_CAUSE,   /* a sentence, NUL, and its remedy or nothing */
	MESSAGE_POST,    /* the first line of a post-upgrade that failed; "": post-upgrade was not carried over */
	MESSAGE_ANSWERED /* size_t: usable slots */
};

/* One run, shared by all of its processes. */
struct play {
	const struct rehearse_request *request;
	enum scratch_generic way;
	struct rehearse_play *result;
	int tell;   /* where this process sends its messages */
	int worker; /* HSM_WORKER, opened before the root changes, as the scratch root may not have it */
	struct preserved carried;
	/* What the outermost process has received so far: the first message of each kind.  Owned, or NULL. */
	char *module;
	char *absent; /* a file missed in the scratch root that exists on this system */
	char *denied; /* a file of this system that OKV's user may not open in the scratch root */
	char *cause;
	char *post;
	struct text remedy;
};

static void play_done(struct play *play)
{
	preserved_done(&play->carried);
	free(play->module);
	free(play->absent);
	free(play->denied);
	free(play->cause);
	free(play->post);
	text_done(&play->remedy);
	fs_close(&play->worker);
}

void rehearse_result_done(struct rehearse_result *result)
{
	for (size_t i = 0; i < REHEARSE_WAYS; i++)
		free(result->plays[i].remedy);
	*result = (struct rehearse_result){ .plays = { { .played = false } } };
}

const char *rehearse_way_text(enum scratch_generic way)
{
	return way == SCRATCH_CARRIED ? "with OKV's generic files carried over"
				      : "with the generic files of a new OKV release";
}

const char *rehearse_way_word(enum scratch_generic way)
{
	return way == SCRATCH_CARRIED ? "carried" : "stock";
}

const struct rehearse_play *rehearse_result_lost(const struct rehearse_result *result)
{
	for (size_t i = 0; i < REHEARSE_WAYS; i++)
		if (result->plays[i].fault.kind != FAULT_NONE)
			return &result->plays[i];
	return NULL;
}

/* --- inside: messages --------------------------------------------------------------------------------------------- */

/* Exits if the outer process is gone, or gave up on us. */
static void send_bytes(int fd, enum message kind, const void *bytes, size_t length)
{
	if (proc_message_write(fd, kind, bytes, length < PROC_MESSAGE_MAX ? length : PROC_MESSAGE_MAX) < 0)
		_exit(1);
}

__attribute__((format(printf, 3, 4))) static void send_line(int fd, enum message kind, const char *format, ...)
{
	char line[FAULT_TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	send_bytes(fd, kind, line, strlen(line));
}

static void send_cause(int fd, const char *sentence, const char *command)
{
	TEXT_AUTO bytes = { 0 };

	text_add(&bytes, sentence, strlen(sentence) + 1);
	text_add_string(&bytes, command != NULL ? command : "");
	if (!bytes.failed)
		send_bytes(fd, MESSAGE_CAUSE, bytes.bytes, bytes.length);
}

/* In the processes between: forwards to the outside. */
static enum proc_child_answer message_pass(void *listener, const struct proc_message *message)
{
	send_bytes(((const struct play *)listener)->tell, message->kind, message->bytes, message->length);
	return PROC_CHILD_MORE;
}

static void line_send(struct report *self, enum report_level level, const char *line)
{
	(void)level;
	send_line(((const struct play *)self->context)->tell, MESSAGE_DETAIL, "%s", line);
}

/* --- inside: OKV's script and post-upgrade ------------------------------------------------------------------------ */

static const char *first_line(const struct text *output, size_t *ret_length)
{
	const char *line = text_string(output);

	line += strspn(line, "\r\n");
	*ret_length = strcspn(line, "\r\n");
	return line;
}

/* 1: OKV's upgrade would go on; 0: it would stop here, and MESSAGE_LOST was sent. */
static int mid_play(const struct play *play, struct fault *f)
{
	static const char *const argv[] = { "/bin/bash", OKV_MID, NULL };
	static const char *const environment[] = { "DBFW_PM_CHANGED=71", "DBFW_PM_NO_CHANGE_REQUIRED=73",
						   "LOGTAG=okv-upgrade", "LOGDEBUG=user.debug", NULL };
	struct proc_child_options how = PROC_CHILD_OPTIONS_INIT;
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	struct fault lost = { 0 };
	size_t length;

	if (!fs_exists(play->request->root, OKV_MID))
		return 1;
	how.argv = argv;
	how.environment = environment;
	how.deadline_ms = MID_MS;
	if (proc_child_run(&how, &outcome, f) < 0)
		return -1;
	const char *said = first_line(&outcome.output, &length);
	if (outcome.late)
		(void)fault_negative(&lost,
				     "okv_hsm_mid_upgrade does not end within %d s, and OKV's upgrade waits for it",
				     MID_MS / 1000);
	else if (outcome.status != MID_CHANGED && outcome.status != MID_UNCHANGED)
		(void)fault_negative(&lost,
				     "okv_hsm_mid_upgrade ends with %d, which is neither of the two values that OKV's "
				     "upgrade expects%s%s",
				     outcome.status, length > 0 ? ": " : "", SHOWN_BYTES(said, length));
	proc_outcome_done(&outcome);
	if (lost.kind == FAULT_NONE)
		return 1;
	send_bytes(play->tell, MESSAGE_LOST, &lost, sizeof(lost));
	send_cause(play->tell, lost.text, "what is wrong with it: okv-luna config check");
	return 0;
}

/* A failed post-upgrade decides nothing: the HSM is asked in any case. */
static int post_play(const struct play *play, struct fault *f)
{
	static const char *const argv[] = { POST_PROGRAM, NULL };
	struct proc_child_options how = PROC_CHILD_OPTIONS_INIT;
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	size_t length;

	how.argv = argv;
	if (proc_child_run(&how, &outcome, f) < 0) {
		if (f->kind != FAULT_ABSENT && f->kind != FAULT_SYSTEM)
			return -1;
		*f = (struct fault){ 0 };
		send_bytes(play->tell, MESSAGE_POST, "", 0);
		return 0;
	}
	const char *said = first_line(&outcome.output, &length);
	if (outcome.status != 0)
		send_bytes(play->tell, MESSAGE_POST, said, length);
	proc_outcome_done(&outcome);
	return 0;
}

/* --- inside: the HSM ---------------------------------------------------------------------------------------------- */

static int causes_send(const struct hsm_question *question, const struct hsm_answer *answer, int tell)
{
	HSM_CAUSES_AUTO causes = { 0 };
	struct fault ignored = { 0 };

	if (hsm_diagnose(question, answer, 0, &causes, &ignored) < 0)
		return 0;
	for (size_t i = 0; i < causes.count; i++)
		send_cause(tell, causes.items[i].sentence, causes.items[i].remedy);
	return 0;
}

/* As OKV's user, with the library that OKV's files name in the scratch root. */
static int asker_work(void *context, int tell, struct fault *f)
{
	const struct play *play = context;
	const struct rehearse_request *request = play->request;
	HSM_ANSWER_AUTO answer = HSM_ANSWER_INIT;
	struct fault lost = { 0 };

	(void)f;
	struct hsm_question question = hsm_question_of(request->root, request->settings, NULL);
	question.source = HSM_LIBRARY_OKV_CONF;
	question.worker = play->worker;
	question.key = request->key.label != NULL ? &request->key : NULL;
	if (hsm_check(&question, &answer, &lost) == 0) {
		const size_t usable = hsm_answer_usable(&answer);
		send_bytes(tell, MESSAGE_ANSWERED, &usable, sizeof(usable));
		return 0;
	}
	/* The library was not found, so no child was started to load it. */
	if (answer.module != NULL && answer.user == NULL && lost.kind == FAULT_ABSENT)
		send_line(tell, MESSAGE_MODULE, "%s", answer.module);
	send_bytes(tell, MESSAGE_LOST, &lost, sizeof(lost));
	return causes_send(&question, &answer, tell);
}

static void missed_send(void *context, const char *path, int errnum)
{
	TEXT_AUTO bytes = { 0 };

	text_add(&bytes, &errnum, sizeof(errnum));
	text_add_string(&bytes, path);
	if (!bytes.failed)
		send_bytes(((const struct play *)context)->tell, MESSAGE_MISSED, bytes.bytes, bytes.length);
}

static int slots_play(struct play *play, struct fault *f)
{
	const struct proc_child_options ask =
		proc_child_function(asker_work, play, "the question for the slots", message_pass);
	const struct proc_trace trace = { .child = &ask, .on_missed = missed_send, .context = play };
	struct proc_outcome outcome = PROC_OUTCOME_INIT;

	if (proc_trace_run(&trace, &outcome, f) < 0)
		return -1;
	proc_outcome_done(&outcome);
	*f = outcome.fault;
	return f->kind == FAULT_NONE ? 0 : -1;
}

/* --- inside: one run ---------------------------------------------------------------------------------------------- */

static int inside_play(struct play *play, struct fault *f)
{
	struct rehearse_request inside = *play->request;
	struct report report = { .on_line = line_send, .context = play };
	const struct scratch scratch = {
		.root_path = inside.root_path,
		.root = inside.root,
		.settings = inside.settings,
		.generic = play->way,
		.report = &report,
	};
	const char *way = rehearse_way_text(play->way);
	FS_AUTO int root = -1;

	send_line(play->tell, MESSAGE_STAGE, "%s: make the next system's root, and carry over what is preserved", way);
	if (scratch_enter(&scratch, f) < 0)
		return fault_prefix(f, "not rehearsed: ");
	if (fs_root_open("/", &root, f) < 0)
		return -1;
	inside.root = root;
	inside.root_path = "/";
	play->request = &inside;
	send_line(play->tell, MESSAGE_STAGE, "%s: run okv_hsm_mid_upgrade", way);
	const int on = mid_play(play, f);
	if (on <= 0)
		return on;
	send_line(play->tell, MESSAGE_STAGE, "%s: run post-upgrade", way);
	if (post_play(play, f) < 0)
		return -1;
	send_line(play->tell, MESSAGE_STAGE, "%s: ask the HSM as '%s'", way, inside.settings->okv_user);
	return slots_play(play, f);
}

/* PID 1 of its namespace: when it ends, the kernel kills every process in it. */
static int inside_work(void *context, int tell, struct fault *f)
{
	struct play *play = context;

	play->tell = tell;
	/* A descriptor left open would lead out of the scratch root. */
	proc_child_close_others((const int[]){ tell, play->request->root, play->worker, -1 });
	return inside_play(play, f);
}

/* --- the cause ---------------------------------------------------------------------------------------------------- */

/* Stores a copy unless there is one; false: out of memory. */
static bool first_keep(char **where, const char *bytes, size_t length)
{
	if (*where != NULL)
		return true;
	*where = calloc(1, length + 2);
	if (*where == NULL)
		return false;
	memcpy(*where, bytes, length);
	return true;
}

/* No upgrade carries these over. */
static bool is_passing(const char *path)
{
	static const char *const places[] = { "/dev", "/proc", "/run", "/sys", "/tmp", "/var/run", "/etc/ld.so.cache" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (preserved_within(path, places[i]))
			return true;
	return false;
}

/* Does it exist on this system?  Resolves links on the way that only root could have made. */
static bool is_here(int root, const char *path, char ret_real[PATH_MAX])
{
	FS_PLACE_AUTO place = FS_PLACE_INIT;
	struct fault ignored = { 0 };
	struct stat status;

	if (fs_place_find(root, path, &place, &ignored) < 0 ||
	    fstatat(place.dir, place.leaf, &status, AT_SYMLINK_NOFOLLOW) < 0 || strlen(place.path) >= PATH_MAX)
		return false;
	memcpy(ret_real, place.path, strlen(place.path) + 1);
	return true;
}

/* What was not carried over: the resolved path, or if it was, the link. */
static const char *left_behind(const struct play *play, const char *path, const char *real)
{
	return preserved_holder(&play->carried, real) != NULL ? path : real;
}

static bool missed_keep(struct play *play, const char *path, size_t length, int errnum)
{
	char real[PATH_MAX];
	char *copy = strndup(path, length);
	const char *left = copy;
	bool kept = copy != NULL;

	if (copy != NULL && !is_passing(copy) && is_here(play->request->root, copy, real)) {
		const bool absent = errnum == ENOENT || errnum == ENOTDIR;
		if (absent)
			left = left_behind(play, copy, real);
		kept = first_keep(absent ? &play->absent : &play->denied, left, strlen(left));
	}
	free(copy);
	return kept;
}

/* True if `config wire` would put the path, or one of its parents, into PRESERVED_FILES. */
static int wiring_lists(const struct play *play, const char *path, bool *ret_lists, struct fault *f)
{
	const struct okv_job job = { .root = play->request->root, .settings = play->request->settings };
	OKV_NEEDS_AUTO needs = { .items = NULL };
	bool lists = preserved_within(path, SETTINGS_PREFIX);

	if (okv_needs_find(&job, &needs, f) < 0)
		return -1;
	for (size_t i = 0; i < needs.count; i++)
		lists = lists || (needs.items[i].listable && preserved_within(path, needs.items[i].path));
	*ret_lists = lists;
	return 0;
}

static bool is_plain(const char *path)
{
	return strpbrk(path, ":'\"\\\n$`") == NULL && preserved_judge(path) == PRESERVED_FLAW_NONE;
}

/* Advises `config set` with the path appended to the list; no remedy if the line would get too long or need quoting. */
static int list_command(struct play *play, const char *path, struct fault *f)
{
	static const char name[] = "PRESERVED_FILES";
	ASSIGN_AUTO lines = { 0 };

	if (hsm_library_lines(play->request->root, OKV_CONF, &lines, f) < 0)
		return -1;
	const char *value = assign_value(&lines, name);
	const size_t used = value != NULL ? strlen(value) : 0;
	if (is_plain(path) && (value == NULL || strpbrk(value, "'\n") == NULL) &&
	    used + strlen(path) + sizeof(name) + 4 < ASSIGN_LINE_MAX)
		text_add_format(&play->remedy, "okv-luna config set okv_hsm.conf %s '%s%s%s'", name,
				used > 0 ? value : "", used > 0 ? ":" : "", path);
	return 0;
}

static int path_cause(struct play *play, const char *path, const char *why, struct fault *f)
{
	bool lists;

	(void)fault_negative(&play->result->fault, "'%s' is not carried over, %s", SHOWN(path), why);
	if (wiring_lists(play, path, &lists, f) < 0)
		return -1;
	if (lists)
		text_add_string(&play->remedy, "okv-luna config wire");
	else if (list_command(play, path, f) < 0)
		return -1;
	if (play->remedy.length == 0)
		text_add_string(&play->remedy,
				"move it into the Luna client's directory, which is preserved, and name it there");
	return 0;
}

/* Appends the answer of a failed post-upgrade. */
static void post_add(const struct play *play)
{
	struct fault *lost = &play->result->fault;
	char before[FAULT_TEXT_MAX];

	if (play->post == NULL || play->post[0] == '\0')
		return;
	(void)snprintf(before, sizeof(before), "%s", lost->text);
	(void)fault_negative(lost, "%s (post-upgrade: %s)", before, SHOWN(play->post));
}

/* 1: the cause is a PRESERVED_FILES that OKV cannot read; 0: it is not. */
static int list_cause(struct play *play, struct fault *f)
{
	ASSIGN_AUTO lines = { 0 };

	if (play->carried.count > 0)
		return 0;
	if (hsm_library_lines(play->request->root, OKV_CONF, &lines, f) < 0)
		return -1;
	for (size_t i = 0; i < lines.count; i++) {
		const struct assign_line *line = &lines.lines[i];
		if (line->kind != ASSIGN_FLAWED || !assign_mentions(line, "PRESERVED_FILES"))
			continue;
		(void)fault_negative(&play->result->fault, "nothing is carried over: " OKV_CONF ":%zu: %s", i + 1,
				     assign_flaw_text(line->flaw));
		text_add_string(&play->remedy, "to see what to fix: okv-luna config check");
		return 1;
	}
	return 0;
}

/* 1: the cause is a variable added to okv_hsm_env, which a new release's file does not have; 0: it is not. */
static int setting_cause(struct play *play, struct fault *f)
{
	ASSIGN_AUTO lines = { 0 };

	if (play->way != SCRATCH_STOCK)
		return 0;
	if (hsm_library_lines(play->request->root, OKV_ENV, &lines, f) < 0)
		return -1;
	for (size_t i = 0; i < lines.count; i++) {
		const struct assign_line *line = &lines.lines[i];
		if (line->kind != ASSIGN_VALUE || strcmp(line->name, "ChrystokiConfigurationPath") == 0)
			continue;
		const char *name = SHOWN(line->name);
		(void)fault_negative(&play->result->fault, "okv_hsm_env sets %s, and that of a new release does not",
				     name);
		text_add_format(&play->remedy,
				"after such an upgrade set it again: okv-luna config set okv_hsm_env %s %s", name,
				TYPED(line->value));
		return 1;
	}
	return 0;
}

/*
 * Replaces the text of the play's fault by the likely cause, and sets the remedy.  The cause is the first that applies:
 * PRESERVED_FILES that OKV cannot read; the library, or the target of its link, not carried over; a file that the
 * library missed; our program not carried over; a file that OKV's user may not open; a variable of okv_hsm_env; the
 * diagnosis of the slots.  Otherwise the text stays.
 */
static int cause_find(struct play *play, struct fault *f)
{
	char real[PATH_MAX];
	int found;

	if ((found = list_cause(play, f)) != 0)
		return found < 0 ? -1 : 0;
	if (play->module != NULL && is_here(play->request->root, play->module, real))
		return path_cause(play, left_behind(play, play->module, real), "and it is OKV's PKCS#11 library", f);
	if (play->absent != NULL)
		return path_cause(play, play->absent, "and the PKCS#11 library asks for it", f);
	if (play->post != NULL && play->post[0] == '\0') {
		(void)fault_negative(&play->result->fault,
				     SETTINGS_PREFIX " is not carried over, so nothing makes the HSM group and OKV's "
						     "settings again");
		text_add_string(&play->remedy, "okv-luna config wire");
		return 0;
	}
	if (play->denied != NULL) {
		(void)fault_negative(&play->result->fault, "user '%s' is not allowed to reach '%s' after post-upgrade",
				     play->request->settings->okv_user, SHOWN(play->denied));
		return 0;
	}
	if ((found = setting_cause(play, f)) != 0)
		return found < 0 ? -1 : 0;
	if (play->cause != NULL) {
		(void)fault_negative(&play->result->fault, "%s", play->cause);
		text_add_string(&play->remedy, play->cause + strlen(play->cause) + 1);
	}
	post_add(play);
	return 0;
}

/* --- outside ------------------------------------------------------------------------------------------------------ */

/* unshare(2) puts only children into the new PID namespace, so this process just starts one and forwards. */
static int namespace_work(void *context, int tell, struct fault *f)
{
	struct play *play = context;
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	const struct proc_child_options how = proc_child_function(inside_work, play, "the rehearsal", message_pass);

	play->tell = tell;
	if (unshare(CLONE_NEWPID | CLONE_NEWIPC) < 0)
		return fault_system(f, errno, "not rehearsed: process and IPC namespaces are not available here");
	if (proc_child_run(&how, &outcome, f) < 0)
		return -1;
	proc_outcome_done(&outcome);
	*f = outcome.fault;
	if (f->kind == FAULT_NONE && outcome.status != 0)
		(void)fault_system(f, 0, "not rehearsed: the rehearsal was ended by signal %d", outcome.signal);
	return f->kind == FAULT_NONE ? 0 : -1;
}

static enum proc_child_answer message_receive(void *listener, const struct proc_message *message)
{
	struct play *play = listener;
	const char *bytes = message->bytes;
	int errnum;

	switch ((enum message)message->kind) {
	case MESSAGE_STAGE:
	case MESSAGE_DETAIL:
		report_say(play->request->report, message->kind == MESSAGE_STAGE ? REPORT_RESULT : REPORT_DETAIL,
			   "%.*s", (int)message->length, bytes);
		return PROC_CHILD_MORE;
	case MESSAGE_MISSED:
		if (message->length <= sizeof(errnum))
			return PROC_CHILD_GARBLED;
		memcpy(&errnum, bytes, sizeof(errnum));
		return missed_keep(play, bytes + sizeof(errnum), message->length - sizeof(errnum), errnum)
			       ? PROC_CHILD_MORE
			       : PROC_CHILD_GARBLED;
	case MESSAGE_LOST:
		if (message->length != sizeof(play->result->fault))
			return PROC_CHILD_GARBLED;
		memcpy(&play->result->fault, bytes, message->length);
		return PROC_CHILD_MORE;
	case MESSAGE_MODULE:
	case MESSAGE_CAUSE:
	case MESSAGE_POST:
		return first_keep(message->kind == MESSAGE_MODULE  ? &play->module
				  : message->kind == MESSAGE_CAUSE ? &play->cause
								   : &play->post,
				  bytes, message->length)
			       ? PROC_CHILD_MORE
			       : PROC_CHILD_GARBLED;
	case MESSAGE_ANSWERED:
		if (message->length != sizeof(play->result->slots))
			return PROC_CHILD_GARBLED;
		memcpy(&play->result->slots, bytes, message->length);
		return PROC_CHILD_MORE;
	}
	return PROC_CHILD_GARBLED;
}

static int way_play(const struct rehearse_request *request, enum scratch_generic way, unsigned bound_ms,
		    struct rehearse_play *result, struct fault *f)
{
	__attribute__((cleanup(
		play_done))) struct play play = { .request = request, .way = way, .result = result, .worker = -1 };
	struct proc_child_options how = proc_child_function(namespace_work, &play, "the rehearsal", message_receive);
	struct proc_outcome outcome = PROC_OUTCOME_INIT;
	const int64_t begun = proc_clock_ms();

	how.deadline_ms = bound_ms;
	if (scan_listed(request->root, &play.carried, f) < 0 ||
	    proc_child_program_open(HSM_WORKER, &play.worker, f) < 0 || proc_child_run(&how, &outcome, f) < 0)
		return -1;
	proc_outcome_done(&outcome);
	if (outcome.late)
		return fault_late(f, "not rehearsed: it did not end within %u s", request->bound_ms / 1000);
	if (outcome.fault.kind != FAULT_NONE) {
		*f = outcome.fault;
		return -1;
	}
	if (outcome.status != 0 || outcome.garbled)
		return fault_system(f, 0, "not rehearsed: the rehearsal ended without an answer");
	result->played = true;
	result->elapsed_ms = (unsigned)(proc_clock_ms() - begun);
	if (result->fault.kind == FAULT_NONE)
		return 0;
	if (cause_find(&play, f) < 0 || text_check(&play.remedy, f) < 0)
		return -1;
	if (play.remedy.length > 0)
		result->remedy = text_take(&play.remedy);
	result->fault.kind = FAULT_NEGATIVE;
	return 0;
}

int rehearse_run(const struct rehearse_request *request, struct rehearse_result *ret_result, struct fault *f)
{
	const int64_t end = proc_clock_ms() + request->bound_ms;
	enum okv_scope scope;

	if (okv_scope_find(request->root, request->settings, &scope, f) < 0)
		return -1;
	if (scope != OKV_SCOPE_GENERIC)
		return fault_absent(f, "not rehearsed: %s", okv_scope_text(scope));
	for (unsigned i = 0; i < REHEARSE_WAYS; i++) {
		const int64_t left = end - proc_clock_ms();
		if (left <= 0)
			return fault_late(f, "not rehearsed: it did not end within %u s", request->bound_ms / 1000);
		if (way_play(request, (enum scratch_generic)i, (unsigned)left, &ret_result->plays[i], f) < 0)
			return -1;
	}
	const struct rehearse_play *lost = rehearse_result_lost(ret_result);
	if (lost == NULL)
		return 0;
	const bool stock_only = lost == &ret_result->plays[SCRATCH_STOCK];
	return fault_negative(f, "The HSM would be lost%s%s: %s", stock_only ? " " : "",
			      stock_only ? rehearse_way_text(SCRATCH_STOCK) : "", lost->fault.text);
}

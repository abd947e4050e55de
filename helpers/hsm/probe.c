#include "hsm/probe.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/array.h"
#include "hsm/library.h"
#include "hsm/message.h"
#include "proc/child.h"
#include "proc/identity.h"
#include "proc/interrupt.h"

enum { PRINTED_MAX = 160 }; /* bytes of the library's output that are shown */

/* --- messages from the worker ------------------------------------------------------------------------------------- */

struct listener {
	unsigned char nonce[HSM_NONCE_SIZE];
	int root;                           /* the tree with the loaded objects */
	struct report *report;              /* borrowed; gets the notes; may be NULL */
	struct hsm_answer *answer;          /* borrowed; gets slots, keys, info and the present call */
	const struct proc_child *child;     /* borrowed; the worker */
	const struct hsm_key_question *key; /* borrowed; its PIN is sent with the permission; or NULL */
	/* Received so far. */
	bool begun; /* any message */
	bool all;   /* the nonce, so the answer is complete */
	size_t bytes, objects, notes;
	struct hsm_stop_message stop;
	bool stopped;          /* `stop` was received */
	struct fault distrust; /* FAULT_NONE, or what is wrong with a loaded object */
};

/* Answers HSM_MESSAGE_LOADED.  It is the only message under way, so writing it cannot block. */
static bool permit(const struct listener *l, enum hsm_ask permission)
{
	const bool go_on = permission == HSM_ASK_GO_ON && l->key != NULL;
	struct text message = { 0 };
	struct fault ignored = { 0 };

	proc_message_add(&message, permission, go_on ? l->key->pin : "", go_on ? l->key->pin_length : 0);
	const bool sent = proc_child_send(l->child, &message, &ignored) == 0;
	text_done_secret(&message);
	return sent;
}

#define TERMINATE(array) ((array)[sizeof(array) - 1] = '\0')

static bool on_info(struct listener *l, const void *body)
{
	memcpy(&l->answer->info, body, sizeof(l->answer->info));
	l->answer->info_known = true;
	return true;
}

static bool on_slot(struct listener *l, const void *body)
{
	struct hsm_answer *answer = l->answer;

	if (answer->slot_count >= HSM_SLOTS_MAX || !ARRAY_GROW(answer->slots, answer->slot_count))
		return false;
	struct hsm_slot *slot = &answer->slots[answer->slot_count++];
	memcpy(slot, body, sizeof(*slot));
	slot->present = slot->slot_rv == CKR_OK && slot->token_rv != CKR_TOKEN_NOT_PRESENT;
	slot->usable = slot->present && slot->token_rv == CKR_OK && (slot->token.flags & CKF_TOKEN_INITIALIZED) != 0 &&
		       slot->session_call != HSM_CALL_NONE && slot->session_rv == CKR_OK;
	cryptoki_text_copy(slot->description, slot->info.description, sizeof(slot->info.description));
	cryptoki_text_copy(slot->label, slot->token.label, sizeof(slot->token.label));
	cryptoki_text_copy(slot->model, slot->token.model, sizeof(slot->token.model));
	cryptoki_text_copy(slot->serial, slot->token.serial, sizeof(slot->token.serial));
	return true;
}

static bool on_member(struct listener *l, const void *body)
{
	struct hsm_answer *answer = l->answer;

	if (answer->member_count >= HSM_MEMBERS_MAX || !ARRAY_GROW(answer->members, answer->member_count))
		return false;
	struct hsm_member *member = &answer->members[answer->member_count++];
	memcpy(member, body, sizeof(*member));
	TERMINATE(member->serial);
	return true;
}

static bool on_key(struct listener *l, const void *body)
{
	struct hsm_answer *answer = l->answer;

	if (answer->key_count >= HSM_SLOTS_MAX || !ARRAY_GROW(answer->keys, answer->key_count))
		return false;
	memcpy(&answer->keys[answer->key_count++], body, sizeof(*answer->keys));
	return true;
}

static bool on_note(struct listener *l, const void *body)
{
	char note[HSM_TEXT_SIZE];

	memcpy(note, body, sizeof(note));
	TERMINATE(note);
	report_say(l->report, REPORT_WARNING, "%s", SHOWN(note));
	return ++l->notes < HSM_NOTES_MAX;
}

static bool on_stop(struct listener *l, const void *body)
{
	memcpy(&l->stop, body, sizeof(l->stop));
	TERMINATE(l->stop.text);
	l->stopped = true;
	return true;
}

/* Checks a loaded object; keeps the first fault. */
static bool on_object(struct listener *l, const char *path, size_t length)
{
	FS_PLACE_AUTO place = FS_PLACE_INIT;

	if (length == 0 || path[length - 1] != '\0' || l->objects++ == HSM_OBJECTS_MAX)
		return false;
	if (l->distrust.kind == FAULT_NONE && hsm_library_find(l->root, path, &place, &l->distrust) < 0)
		(void)fault_prefix(&l->distrust, "'%s' is loaded with it: ", SHOWN(path));
	return true;
}

static bool on_loaded(struct listener *l, const void *body)
{
	(void)body;
	return permit(l, l->distrust.kind == FAULT_NONE ? HSM_ASK_GO_ON : HSM_ASK_NO_FURTHER);
}

static bool on_call(struct listener *l, const void *body)
{
	uint32_t call;

	memcpy(&call, body, sizeof(call));
	l->answer->call = hsm_call_name(call);
	return call < HSM_CALL_COUNT;
}

static bool on_all(struct listener *l, const void *body)
{
	l->all = memcmp(body, l->nonce, HSM_NONCE_SIZE) == 0;
	return l->all;
}

/* The kinds of fixed length. */
static const struct {
	bool (*on)(struct listener *l, const void *body);
	size_t length;
} fixed[] = {
	[HSM_MESSAGE_INFO] = { on_info, sizeof(struct cryptoki_info) },
	[HSM_MESSAGE_SLOT] = { on_slot, sizeof(struct hsm_slot) },
	[HSM_MESSAGE_MEMBER] = { on_member, sizeof(struct hsm_member) },
	[HSM_MESSAGE_KEY] = { on_key, sizeof(struct hsm_key) },
	[HSM_MESSAGE_NOTE] = { on_note, HSM_TEXT_SIZE },
	[HSM_MESSAGE_CALL] = { on_call, sizeof(uint32_t) },
	[HSM_MESSAGE_STOP] = { on_stop, sizeof(struct hsm_stop_message) },
	[HSM_MESSAGE_LOADED] = { on_loaded, 0 },
	[HSM_MESSAGE_ALL] = { on_all, HSM_NONCE_SIZE },
};

/* False: the message is not valid. */
static bool on_message(struct listener *l, const struct proc_message *message)
{
	l->begun = true;
	l->bytes += message->length;
	if (l->bytes > HSM_BYTES_MAX)
		return false;
	if (message->kind == HSM_MESSAGE_OBJECT)
		return on_object(l, message->bytes, message->length);
	return message->kind < sizeof(fixed) / sizeof(fixed[0]) && fixed[message->kind].on != NULL &&
	       message->length == fixed[message->kind].length && fixed[message->kind].on(l, message->bytes);
}

static enum proc_child_answer listen_to(void *context, const struct proc_message *message)
{
	struct listener *l = context;

	if (on_message(l, message))
		return l->all ? PROC_CHILD_ALL : PROC_CHILD_MORE;
	/* The worker may be waiting for a permission. */
	(void)permit(l, HSM_ASK_NO_FURTHER);
	return PROC_CHILD_GARBLED;
}

/* --- how it ended ------------------------------------------------------------------------------------------------- */

/* The name of the last call, for a sentence. */
static const char *call_text(const struct hsm_answer *answer)
{
	return answer->call[0] != '\0' ? answer->call : "the start of the worker";
}

/* `why` is the text of dlerror(3), which begins with the name of the file concerned. */
static void end_unloadable(struct hsm_answer *answer, const char *why)
{
	const char *missing = strstr(why, ": cannot open shared object file: No such file or directory");
	const size_t own = strlen(answer->module);

	answer->end = HSM_END_UNLOADABLE;
	/* Without memory there is no explanation. */
	answer->loader = strdup(why);
	if (missing == NULL && text_starts(why, answer->module) && text_starts(why + own, ": "))
		why += own + strlen(": ");
	if (missing != NULL)
		(void)fault_absent(&answer->fault, "library '%s', which '%s' needs, is not installed",
				   SHOWN_BYTES(why, (size_t)(missing - why)), SHOWN(answer->module));
	else
		(void)fault_refused(&answer->fault, "'%s' cannot be loaded: %s", SHOWN(answer->module), SHOWN(why));
}

static void end_early(struct hsm_answer *answer, const struct proc_outcome *end)
{
	const char *call = call_text(answer);

	if (end->signal == 0 && end->status == HSM_EXIT_LOST) {
		answer->end = HSM_END_CLOSED;
		(void)fault_system(&answer->fault, 0,
				   "'%s' closed descriptors that are not its own, at the latest in %s",
				   SHOWN(answer->module), call);
	} else if (end->signal == SIGBUS && strcmp(answer->call, hsm_call_name(HSM_CALL_LOAD)) == 0) {
		/* The file is shorter than its headers say. */
		end_unloadable(answer, "it or a library that it needs is damaged: the file is cut off");
	} else if (end->signal != 0) {
		const char *signal = strsignal(end->signal);
		answer->end = HSM_END_CRASHED;
		(void)fault_system(&answer->fault, 0, "'%s' crashed in %s: %s%s", SHOWN(answer->module), call,
				   signal != NULL ? signal : "a signal",
				   end->signal == SIGKILL ? " (out of memory? see dmesg)" : "");
	} else {
		answer->end = HSM_END_LEFT;
		(void)fault_system(&answer->fault, 0, "'%s' ended the process itself in %s, with status %d",
				   SHOWN(answer->module), call, end->status);
	}
}

static void end_stopped(struct hsm_answer *answer, const struct hsm_stop_message *stop)
{
	const bool error = stop->end == HSM_END_ERROR;

	answer->rv = stop->rv;
	if (stop->end == HSM_END_UNLOADABLE) {
		end_unloadable(answer, stop->text);
	} else if (stop->end == HSM_END_UNNAMED) {
		answer->end = HSM_END_UNNAMED;
		(void)fault_negative(&answer->fault, "OKV loads no library: user '%s' cannot read '%s'",
				     SHOWN(answer->user), HSM_OKV_CONF);
	} else {
		answer->end = error ? HSM_END_ERROR : HSM_END_LIED;
		(void)fault_system(&answer->fault, 0, "'%s' %s: %s", SHOWN(answer->module),
				   error ? "gives no slots" : "breaks the rules of PKCS#11", SHOWN(stop->text));
	}
}

static void end_evaluate(struct hsm_answer *answer, const struct listener *l, const struct proc_outcome *end,
			 uint64_t timeout_ms)
{
	answer->orphans = end->orphans;
	if (l->distrust.kind != FAULT_NONE) {
		answer->end = HSM_END_UNLOADABLE;
		answer->fault = l->distrust;
	} else if (end->late) {
		answer->end = HSM_END_LATE;
		(void)fault_late(&answer->fault,
				 "'%s' did not answer within %" PRIu64 ".%03" PRIu64 " s: %s did not return",
				 SHOWN(answer->module), timeout_ms / 1000, timeout_ms % 1000, call_text(answer));
	} else if (end->garbled) {
		answer->end = HSM_END_LIED;
		(void)fault_system(&answer->fault, 0, "'%s' wrote into a descriptor that is not its own, in %s",
				   SHOWN(answer->module), call_text(answer));
	} else if (!end->answered) {
		end_early(answer, end);
	} else if (l->stopped) {
		end_stopped(answer, &l->stop);
	} else {
		answer->end = HSM_END_WHOLE;
	}
}

static void output_report(const struct hsm_question *q, struct hsm_answer *answer, const struct proc_outcome *end)
{
	answer->printed = end->output_length;
	if (end->output_length > 0) {
		const char *said = text_string(&end->output) + strspn(text_string(&end->output), "\r\n");
		const size_t length = strcspn(said, "\r\n");
		report_say(q->report, REPORT_WARNING,
			   "the library printed %zu bytes, beginning with '%s'; OKV shows what it prints to its users",
			   end->output_length, SHOWN_BYTES(said, length < PRINTED_MAX ? length : PRINTED_MAX));
	}
	if (end->orphans > 0)
		report_say(q->report, REPORT_WARNING, "the library left %u process%s behind, which %s killed",
			   end->orphans, end->orphans == 1 ? "" : "es", end->orphans == 1 ? "was" : "were");
	if (end->orphans_left)
		report_say(q->report, REPORT_WARNING, "the library left processes behind that could not be killed");
}

/* Only warns of tokens that OKV does not take: they may be for somebody else, or another member of a group. */
static void sessions_report(const struct hsm_question *q, const struct hsm_answer *answer)
{
	const struct hsm_slot *taken = hsm_answer_taken(answer, q->required.label, q->required.serial);

	for (size_t i = 0; i < answer->slot_count; i++) {
		const struct hsm_slot *slot = &answer->slots[i];
		if (slot != taken && slot->session_call != HSM_CALL_NONE && slot->session_rv != CKR_OK)
			report_say(q->report, REPORT_WARNING, "slot %" PRIu64 " opens no session: %s", slot->id,
				   HSM_SLOT_FAULT(slot));
	}
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static int string_copy(const char *string, char **ret_copy, struct fault *f)
{
	*ret_copy = strdup(string);
	return *ret_copy == NULL ? fault_memory(f) : 0;
}

/* Finds and checks the library, without running it. */
static int module_find(const struct hsm_question *q, struct hsm_answer *answer, struct fault *f)
{
	FS_PLACE_AUTO place = FS_PLACE_INIT;

	if ((q->module != NULL ? string_copy(q->module, &answer->module, f)
			       : hsm_library_choose(q->root, q->settings, q->source, &answer->module, f)) < 0 ||
	    hsm_library_find(q->root, answer->module, &place, f) < 0 ||
	    string_copy(place.path, &answer->module_real, f) < 0)
		return -1;
	if (place.links == NULL)
		return 0;
	report_say(q->report, REPORT_DETAIL, "links followed: %s", SHOWN(place.links));
	return string_copy(place.links, &answer->links, f);
}

struct conversation {
	const struct hsm_question *question;
	struct hsm_begin begin;
	struct listener listener;
	uint64_t timeout_ms;
};

/* Sends all that the worker needs to know. */
static int question_send(const struct conversation *c, const struct proc_child *worker, struct fault *f)
{
	const struct hsm_question *q = c->question;
	const struct hsm_environment *environment = &c->listener.answer->environment;
	const struct {
		enum hsm_ask kind;
		const char *string;
	} strings[] = {
		{ HSM_ASK_LIBRARY, c->listener.answer->module },
		{ HSM_ASK_LABEL, q->required.label },
		{ HSM_ASK_SERIAL, q->required.serial },
		{ HSM_ASK_KEY, q->key != NULL ? q->key->label : NULL },
	};
	TEXT_AUTO messages = { 0 };

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		if (strings[i].string != NULL)
			proc_message_add(&messages, strings[i].kind, strings[i].string, strlen(strings[i].string));
	for (size_t i = 0; i < environment->count; i++)
		proc_message_add(&messages, HSM_ASK_VARIABLE, environment->items[i], strlen(environment->items[i]));
	proc_message_add(&messages, HSM_ASK_BEGIN, &c->begin, sizeof(c->begin));
	return proc_child_send(worker, &messages, f);
}

/* Runs the worker to its end. */
static int worker_run(struct conversation *c, struct proc_outcome *ret_end, struct fault *f)
{
	char program[PATH_MAX];
	struct proc_child worker = { 0 };
	struct proc_child *const workers[] = { &worker };
	size_t which;
	const struct proc_child_options how = {
		.argv = (const char *const[]){ program, NULL },
		.what = c->listener.answer->module,
		.worker = true,
		.program = c->question->worker,
		.confined = true,
		.on_message = listen_to,
		.listener = &c->listener,
		.root = c->question->root,
		.deadline_ms = (unsigned)c->timeout_ms,
	};

	proc_child_program(HSM_WORKER, program);
	c->listener.child = &worker;
	if (proc_child_start(&how, &worker, f) < 0)
		return -1;
	int r = question_send(c, &worker, f);
	if (r == 0)
		r = proc_child_wait(workers, 1, &which, ret_end, f);
	proc_child_kill(&worker);
	/* Only before the first message: later the library could have forged the fault. */
	if (r == 0 && ret_end->fault.kind != FAULT_NONE && !c->listener.begun) {
		*f = ret_end->fault;
		proc_outcome_done(ret_end);
		r = -1;
	}
	return r;
}

static int talk(const struct hsm_question *q, struct hsm_answer *answer, struct fault *f)
{
	struct conversation c = {
		.question = q,
		.begin = { .by_okv_conf = q->module == NULL && q->source == HSM_LIBRARY_OKV_CONF,
			   .groups =
				   chrystoki_sections(&answer->environment.conf, "VirtualToken", &(ptrdiff_t){ 0 }) > 0,
			   .load_only = q->load_only },
		.listener = { .root = q->root, .report = q->report, .answer = answer, .key = q->key },
		.timeout_ms = q->timeout_ms > 0 ? q->timeout_ms : q->settings->slot_timeout * 1000,
	};
	struct proc_outcome end = PROC_OUTCOME_INIT;

	if (proc_identity_read(q->root, answer->user, &c.begin.identity, f) < 0)
		return -1;
	if (syscall(SYS_getrandom, c.begin.nonce, sizeof(c.begin.nonce), 0U) != (long)sizeof(c.begin.nonce))
		return fault_system(f, errno, "cannot get random bytes");
	memcpy(c.listener.nonce, c.begin.nonce, sizeof(c.begin.nonce));

	const int64_t start = proc_clock_ms();
	if (worker_run(&c, &end, f) < 0)
		return -1;
	answer->elapsed_ms = (uint64_t)(proc_clock_ms() - start);
	end_evaluate(answer, &c.listener, &end, c.timeout_ms);
	output_report(q, answer, &end);
	sessions_report(q, answer);
	proc_outcome_done(&end);
	return 0;
}

int hsm_probe(const struct hsm_question *question, struct hsm_answer *ret_answer, struct fault *f)
{
	HSM_ANSWER_AUTO answer = HSM_ANSWER_INIT;
	const char *user = question->user != NULL ? question->user : question->settings->okv_user;
	int r = -1;

	if (hsm_environment_read(question->root, question->report, &answer.environment, f) == 0 &&
	    module_find(question, &answer, f) == 0 && string_copy(user, &answer.user, f) == 0)
		r = talk(question, &answer, f);
	if (r < 0) {
		free(answer.user);
		answer.user = NULL;
	}
	*ret_answer = answer;
	answer = (struct hsm_answer)HSM_ANSWER_INIT;
	return r;
}

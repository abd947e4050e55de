#include "hsm/probe.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc/child.h"
#include "proc/interrupt.h"
#include "proc/identity.h"
#include "hsm/elf.h"
#include "hsm/environment.h"
#include "hsm/file.h"
#include "hsm/needed.h"
#include "hsm/session.h"
#include "hsm/tell.h"
#include "hsm/tree.h"

void hsm_answer_done(struct hsm_answer *answer)
{
	for (size_t i = 0; i < answer->slot_count; i++)
		free(answer->slots[i].mechanisms);
	free(answer->slots);
	free(answer->module);
	free(answer->module_real);
	free(answer->links);
	free(answer->user);
	*answer = (struct hsm_answer)HSM_ANSWER_INIT;
}

size_t hsm_usable_count(const struct hsm_answer *answer)
{
	size_t count = 0;

	for (size_t i = 0; i < answer->slot_count; i++)
		count += answer->slots[i].usable;
	return count;
}

static int string_copy(const char *string, char **ret_copy, struct fault *f)
{
	*ret_copy = strdup(string);
	return *ret_copy == NULL ? fault_memory(f) : 0;
}

static int module_choose(const struct hsm_question *q, char **ret_module, struct fault *f)
{
	char *configured = NULL;

	if (q->module != NULL)
		return string_copy(q->module, ret_module, f);
	if (hsm_library_read(q->root, &configured, f) < 0)
		return -1;
	if (configured != NULL && configured[0] != '\0') {
		*ret_module = configured;
		return 0;
	}
	free(configured);
	return string_copy(q->settings->pkcs11_lib, ret_module, f);
}

/* Without running a byte of it. */
static int module_check(const struct hsm_question *q, struct hsm_answer *answer, struct fault *f)
{
	HSM_FILE_AUTO file = HSM_FILE_INIT;
	HSM_ELF_AUTO elf = { 0 };

	if (answer->module[0] != '/')
		return fault_refused(f, "the library's path '%s' is not a full one", SHOWN(answer->module));
	if (hsm_file_open(q->root, answer->module, &file, f) < 0 ||
	    string_copy(file.place.path, &answer->module_real, f) < 0)
		return -1;
	if (file.place.links != NULL) {
		report_say(q->report, REPORT_DETAIL, "links followed: %s", SHOWN(file.place.links));
		if (string_copy(file.place.links, &answer->links, f) < 0)
			return -1;
	}
	if (hsm_elf_read(file.fd, answer->module, "C_GetFunctionList", &elf, f) < 0)
		return -1;
	if (!elf.has_symbol)
		return fault_refused(f, "'%s' has no function C_GetFunctionList, so it is no PKCS#11 library",
				     SHOWN(answer->module));
	return hsm_needed_check(q->root, file.place.path, &elf, f);
}

static const char *signal_text(int number)
{
	const char *text = strsignal(number);

	return text != NULL ? text : "a signal";
}

/* "C_Initialize", or the library's own start. */
static const char *call_text(const struct hsm_answer *answer)
{
	return answer->call[0] != '\0' ? answer->call : "the start of the child";
}

static void end_late(struct hsm_answer *answer, uint64_t timeout_ms)
{
	answer->end = HSM_END_LATE;
	(void)fault_late(&answer->fault, "'%s' did not answer within %" PRIu64 ".%03" PRIu64 " s: %s did not return",
			 SHOWN(answer->module), timeout_ms / 1000, timeout_ms % 1000, call_text(answer));
}

static void end_without_word(struct hsm_answer *answer, const struct proc_outcome *end, bool lost)
{
	const char *call = call_text(answer);

	if (lost) {
		answer->end = HSM_END_CLOSED;
		(void)fault_system(&answer->fault, 0,
				   "'%s' closed descriptors that are not its own, at the latest in %s",
				   SHOWN(answer->module), call);
	} else if (end->signal != 0) {
		const int number = end->signal;
		answer->end = HSM_END_CRASHED;
		(void)fault_system(&answer->fault, 0, "'%s' crashed in %s: %s%s", SHOWN(answer->module), call,
				   signal_text(number), number == SIGKILL ? " (was memory short? see dmesg)" : "");
	} else {
		answer->end = HSM_END_LEFT;
		(void)fault_system(&answer->fault, 0, "'%s' ended the process itself in %s, with status %d",
				   SHOWN(answer->module), call, end->status);
	}
}

static void end_stopped(struct hsm_answer *answer, const struct tell_stop *stop)
{
	answer->rv = stop->rv;
	switch (stop->end) {
	case HSM_END_UNLOADABLE:
		answer->end = HSM_END_UNLOADABLE;
		(void)fault_refused(&answer->fault, "'%s' cannot be loaded: %s", SHOWN(answer->module),
				    SHOWN(stop->text));
		return;
	case HSM_END_ERROR:
		answer->end = HSM_END_ERROR;
		(void)fault_system(&answer->fault, 0, "'%s' gives no slots: %s", SHOWN(answer->module),
				   SHOWN(stop->text));
		return;
	default:
		answer->end = HSM_END_LIED;
		(void)fault_system(&answer->fault, 0, "'%s' breaks the rules of PKCS#11: %s", SHOWN(answer->module),
				   SHOWN(stop->text));
	}
}

static void end_judge(struct hsm_answer *answer, const struct tell_listener *l, const struct proc_outcome *end,
		      const struct hsm_board *board, uint64_t timeout_ms)
{
	answer->call = hsm_call_name(board->call);
	answer->strays = end->orphans;
	if (end->late) {
		end_late(answer, timeout_ms);
	} else if (end->garbled) {
		answer->end = HSM_END_LIED;
		(void)fault_system(&answer->fault, 0, "'%s' wrote into a descriptor that is not its own, in %s",
				   SHOWN(answer->module), call_text(answer));
	} else if (!end->answered) {
		end_without_word(answer, end, board->lost != 0);
	} else if (l->stopped) {
		end_stopped(answer, &l->stop);
	} else {
		answer->end = HSM_END_WHOLE;
	}
}

static void habits_report(const struct hsm_question *q, struct hsm_answer *answer, const struct tell_listener *l,
			  const struct proc_outcome *end)
{
	const char *line = text_string(&l->notes);

	for (; *line != '\0'; line += strcspn(line, "\n") + 1)
		report_say(q->report, REPORT_WARNING, "%.*s", (int)strcspn(line, "\n"), line);
	answer->printed = end->output_length;
	if (end->output_length > 0) {
		const char *said = text_string(&end->output) + strspn(text_string(&end->output), "\r\n");
		size_t length = strcspn(said, "\r\n");
		length = length < HSM_PRINTED_SIZE ? length : HSM_PRINTED_SIZE - 1;
		memcpy(answer->printed_first, said, length);
		answer->printed_first[length] = '\0';
		report_say(q->report, REPORT_WARNING,
			   "the library printed %zu bytes, beginning with '%s'; OKV shows what it prints to its users",
			   end->output_length, SHOWN(answer->printed_first));
	}
	if (end->orphans > 0)
		report_say(q->report, REPORT_WARNING, "the library left %u process%s behind, which %s killed",
			   end->orphans, end->orphans == 1 ? "" : "es", end->orphans == 1 ? "was" : "were");
	if (end->orphans_left)
		report_say(q->report, REPORT_WARNING, "the library left processes behind that could not be killed");
}

static int talk(const struct hsm_question *q, const struct hsm_environment *environment, struct hsm_board *board,
		struct hsm_answer *answer, struct fault *f)
{
	const uint64_t timeout_ms = hsm_timeout_ms(q);
	struct hsm_session session = {
		.question = q,
		.path = answer->module,
		.environment = environment,
		.board = board,
	};
	struct tell_listener listener = { .answer = answer, .notes = { 0 } };
	struct proc_outcome end = PROC_OUTCOME_INIT;
	struct proc_identity identity;
	struct proc_child_options how = {
		.work = hsm_session_work,
		.context = &session,
		.what = answer->module,
		.on_message = hsm_tell_hear,
		.listener = &listener,
		.confined = true,
		.identity = &identity,
		.deadline_ms = (unsigned)timeout_ms,
	};

	if (hsm_tree_root(q->root, &how.root, f) < 0 || proc_identity_read(q->root, answer->user, &identity, f) < 0)
		return -1;
	if (syscall(SYS_getrandom, listener.token, sizeof(listener.token), 0U) != (long)sizeof(listener.token))
		return fault_system(f, errno, "cannot get random bytes");
	memcpy(session.token, listener.token, sizeof(session.token));

	const int64_t start = proc_clock_ms();
	const int r = proc_child_run(&how, &end, f);
	if (r == 0) {
		answer->elapsed_ms = (uint64_t)(proc_clock_ms() - start);
		end_judge(answer, &listener, &end, board, timeout_ms);
		habits_report(q, answer, &listener, &end);
		proc_outcome_done(&end);
	}
	hsm_tell_listener_done(&listener);
	return r;
}

int hsm_probe(const struct hsm_question *question, struct hsm_answer *ret_answer, struct fault *f)
{
	HSM_ANSWER_AUTO answer = HSM_ANSWER_INIT;
	HSM_ENVIRONMENT_AUTO environment = { 0 };

	if (module_choose(question, &answer.module, f) < 0 ||
	    string_copy(question->user != NULL ? question->user : question->settings->okv_user, &answer.user, f) < 0 ||
	    module_check(question, &answer, f) < 0 ||
	    hsm_environment_read(question->root, question->report, &environment, f) < 0)
		return -1;

	struct hsm_board *board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED)
		return fault_system(f, errno, "cannot share memory with the child");
	const int r = talk(question, &environment, board, &answer, f);
	(void)munmap(board, sizeof(*board));
	if (r < 0)
		return -1;
	*ret_answer = answer;
	answer = (struct hsm_answer)HSM_ANSWER_INIT;
	return 0;
}

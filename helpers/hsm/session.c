#include "hsm/session.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hsm/message.h"
#include "hsm/names.h"
#include "proc/child.h"
#include "proc/worker.h"

enum { LIST_TRIES = 5, WITH_TOKEN = 1, VARIABLES_MAX = 4096, KEYS_MAX = 16 };

struct session {
	/* The question; nothing is freed, since the process ends. */
	struct proc_message_reader reader;
	struct hsm_begin begin;
	char *path, *label, *serial, *key; /* all but the first may be NULL */
	char *variables[VARIABLES_MAX];
	size_t variable_count;
	char *pin;
	size_t pin_length;
	/* Identify our socket. */
	dev_t dev;
	ino_t ino;
	/* The library and its slots. */
	void *library;
	const struct cryptoki_functions *functions;
	struct hsm_slot slots[HSM_SLOTS_MAX];
	size_t slot_count;
};

/* --- the question ------------------------------------------------------------------------------------------------- */

static int string_copy(const struct proc_message *message, char **ret_string, struct fault *f)
{
	*ret_string = strndup(message->bytes, message->length);
	return *ret_string == NULL ? fault_memory(f) : 0;
}

static int ask_store(struct session *s, const struct proc_message *message, struct fault *f)
{
	switch (message->kind) {
	case HSM_ASK_LIBRARY:
		return string_copy(message, &s->path, f);
	case HSM_ASK_LABEL:
		return string_copy(message, &s->label, f);
	case HSM_ASK_SERIAL:
		return string_copy(message, &s->serial, f);
	case HSM_ASK_KEY:
		return string_copy(message, &s->key, f);
	case HSM_ASK_VARIABLE:
		return s->variable_count == VARIABLES_MAX
			       ? fault_refused(f, "the environment has more than %d variables", VARIABLES_MAX)
			       : string_copy(message, &s->variables[s->variable_count++], f);
	}
	return fault_system(f, 0, "the request is not valid");
}

static int question_read(struct session *s, struct fault *f)
{
	struct proc_message message;

	for (;;) {
		if (proc_worker_read(&s->reader, &message, f) < 0)
			return -1;
		if (message.kind == HSM_ASK_BEGIN && message.length == sizeof(s->begin) && s->path != NULL) {
			memcpy(&s->begin, message.bytes, sizeof(s->begin));
			return 0;
		}
		if (ask_store(s, &message, f) < 0)
			return -1;
	}
}

/* --- the answer --------------------------------------------------------------------------------------------------- */

static int socket_look(struct session *s, struct fault *f)
{
	struct stat status;

	if (fstat(PROC_CHILD_TELL, &status) < 0)
		return fault_system(f, errno, "the process that started this one has ended");
	s->dev = status.st_dev;
	s->ino = status.st_ino;
	return 0;
}

/* Ends the process if the library has closed the socket; something else may be open in its place. */
static void send_message(const struct session *s, enum hsm_message kind, const void *body, size_t length)
{
	struct stat status;

	if (fstat(PROC_CHILD_TELL, &status) < 0 || status.st_dev != s->dev || status.st_ino != s->ino ||
	    proc_message_write(PROC_CHILD_TELL, kind, body, length) < 0)
		_exit(HSM_EXIT_LOST);
}

static void call_begin(const struct session *s, enum hsm_call call)
{
	const uint32_t number = call;

	send_message(s, HSM_MESSAGE_CALL, &number, sizeof(number));
}

__attribute__((format(printf, 2, 3))) static void note(const struct session *s, const char *format, ...)
{
	char body[HSM_TEXT_SIZE] = "";
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(body, sizeof(body), format, arguments);
	va_end(arguments);
	send_message(s, HSM_MESSAGE_NOTE, body, sizeof(body));
}

/* Reports why the session ends here; returns false, which ends a chain of steps. */
__attribute__((format(printf, 4, 5))) static bool stop(const struct session *s, enum hsm_end end, uint64_t rv,
						       const char *format, ...)
{
	struct hsm_stop_message body = { .end = end, .rv = rv };
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(body.text, sizeof(body.text), format, arguments);
	va_end(arguments);
	send_message(s, HSM_MESSAGE_STOP, &body, sizeof(body));
	return false;
}

/* --- the library -------------------------------------------------------------------------------------------------- */

static bool is_denied(const char *path)
{
	return access(path, R_OK) < 0 && errno == EACCES;
}

static bool environment_enter(const struct session *s)
{
	if (s->begin.by_okv_conf != 0 && is_denied(HSM_OKV_CONF))
		return stop(s, HSM_END_UNNAMED, 0, "%s", HSM_OKV_CONF);
	/* An empty list instead of NULL, which could crash a library that reads `environ` itself. */
	static char *nothing[] = { NULL };
	environ = nothing;
	if (s->variable_count > 0 && is_denied(HSM_OKV_ENVIRONMENT)) {
		note(s, "%s: this user cannot read it, so OKV sets nothing from it", HSM_OKV_ENVIRONMENT);
		return true;
	}
	for (size_t i = 0; i < s->variable_count; i++)
		if (putenv(s->variables[i]) != 0)
			return stop(s, HSM_END_UNLOADABLE, 0, "its environment could not be set");
	return true;
}

/* The shared objects in this process; the first `before` were there before the library. */
struct objects {
	const struct session *session;
	size_t before, seen;
};

static int object_count(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)info;
	(void)size;
	((struct objects *)context)->before++;
	return 0;
}

static int object_send(struct dl_phdr_info *info, size_t size, void *context)
{
	struct objects *objects = context;
	const char *path = info->dlpi_name;
	char *real = NULL;

	(void)size;
	if (objects->seen++ < objects->before)
		return 0;
	/* A RUNPATH may be relative, or contain ".." ("$ORIGIN/../lib"). */
	if (path[0] != '/' || strstr(path, "/.") != NULL)
		real = realpath(path, NULL);
	if (real != NULL)
		path = real;
	send_message(objects->session, HSM_MESSAGE_OBJECT, path, strlen(path) + 1);
	free(real);
	return 0;
}

/* Reports the text of dlerror(3); if that omits why a file could not be mapped, tries it and adds the reason. */
static bool unloadable(const struct session *s, const char *why)
{
	char path[PATH_MAX];
	const char *colon = why != NULL ? strstr(why, ": failed to map segment from shared object") : NULL;
	const char *reason = NULL;

	if (colon != NULL && why[0] == '/' && strrchr(why, ':') == colon && (size_t)(colon - why) < sizeof(path)) {
		memcpy(path, why, (size_t)(colon - why));
		path[colon - why] = '\0';
		const int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || mmap(NULL, 1, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED)
			reason = fault_errno_text(errno);
	}
	return stop(s, HSM_END_UNLOADABLE, 0, "%s%s%s", why != NULL ? why : "the dynamic linker refused it",
		    reason != NULL ? ": " : "", reason != NULL ? reason : "");
}

/* Waits until the parent has checked the loaded objects.  The PIN comes with its permission. */
static bool permission_await(struct session *s)
{
	struct proc_message message;
	struct fault f = { 0 };

	send_message(s, HSM_MESSAGE_LOADED, NULL, 0);
	if (proc_worker_read(&s->reader, &message, &f) < 0)
		_exit(HSM_EXIT_LOST);
	s->pin = (char *)(uintptr_t)message.bytes;
	s->pin_length = message.length;
	return message.kind == HSM_ASK_GO_ON;
}

static bool load(struct session *s)
{
	struct objects objects = { .session = s };

	call_begin(s, HSM_CALL_LOAD);
	(void)dl_iterate_phdr(object_count, &objects);
	/* RTLD_LAZY, as clients do: a missing symbol does not matter if nobody calls it. */
	s->library = dlopen(s->path, RTLD_LAZY | RTLD_LOCAL);
	if (s->library == NULL)
		return unloadable(s, dlerror());
	(void)dl_iterate_phdr(object_send, &objects);
	return permission_await(s);
}

static bool functions_get(struct session *s)
{
	unsigned long (*get)(struct cryptoki_functions **) = NULL;
	/* ISO C has no conversion from an object pointer to a function pointer; POSIX has this one. */
	*(void **)&get = dlsym(s->library, "C_GetFunctionList");
	if (get == NULL)
		return stop(s, HSM_END_UNLOADABLE, 0,
			    "it has no function C_GetFunctionList, so it is not a PKCS#11 library");
	if (s->begin.load_only != 0)
		return false;

	struct cryptoki_functions *list = NULL;
	call_begin(s, HSM_CALL_FUNCTION_LIST);
	const unsigned long rv = get(&list);
	if (rv != CKR_OK)
		return stop(s, HSM_END_ERROR, rv, "C_GetFunctionList answered %s", HSM_RV(rv));
	if (list == NULL)
		return stop(s, HSM_END_LIED, 0, "C_GetFunctionList answered CKR_OK and gave no list");
	if (list->version.major != 2 && list->version.major != 3)
		return stop(s, HSM_END_LIED, 0,
			    "its function list is of PKCS#11 version %u.%u, and 2.x or 3.x is needed",
			    list->version.major, list->version.minor);
	if (list->C_Initialize == NULL || list->C_Finalize == NULL || list->C_GetInfo == NULL ||
	    list->C_GetSlotList == NULL || list->C_GetSlotInfo == NULL || list->C_GetTokenInfo == NULL ||
	    list->C_OpenSession == NULL || list->C_CloseSession == NULL)
		return stop(s, HSM_END_LIED, 0, "its function list lacks calls that PKCS#11 requires");
	s->functions = list;
	return true;
}

static bool initialize(const struct session *s)
{
	struct cryptoki_info info;

	call_begin(s, HSM_CALL_INITIALIZE);
	unsigned long rv = s->functions->C_Initialize(NULL);
	if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED)
		return stop(s, HSM_END_ERROR, rv, "C_Initialize answered %s", HSM_RV(rv));

	memset(&info, 0, sizeof(info));
	call_begin(s, HSM_CALL_INFO);
	rv = s->functions->C_GetInfo(&info);
	if (rv == CKR_OK)
		send_message(s, HSM_MESSAGE_INFO, &info, sizeof(info));
	else
		note(s, "C_GetInfo answered %s", HSM_RV(rv));
	return true;
}

/* --- its slots ---------------------------------------------------------------------------------------------------- */

/* Sets every byte, padding included, since all of it is sent. */
static void slot_read(const struct session *s, unsigned long id, struct hsm_slot *ret_slot)
{
	struct hsm_slot *slot = ret_slot;

	memset(slot, 0, sizeof(*slot));
	slot->id = id;
	slot->token_rv = CKR_TOKEN_NOT_PRESENT;
	call_begin(s, HSM_CALL_SLOT_INFO);
	slot->slot_rv = s->functions->C_GetSlotInfo(id, &slot->info);
	/* Ignore what the library may have written before it failed. */
	if (slot->slot_rv != CKR_OK)
		memset(&slot->info, 0, sizeof(slot->info));
	if ((slot->info.flags & CKF_TOKEN_PRESENT) == 0)
		return;
	call_begin(s, HSM_CALL_TOKEN_INFO);
	slot->token_rv = s->functions->C_GetTokenInfo(id, &slot->token);
	if (slot->token_rv != CKR_OK)
		memset(&slot->token, 0, sizeof(slot->token));
}

/* Is the padded text equal to the string? */
static bool text_is(const unsigned char *text, size_t size, const char *string)
{
	char copy[CRYPTOKI_LABEL_SIZE + 1];

	cryptoki_text_copy(copy, text, size);
	return strcmp(copy, string) == 0;
}

/* Opens and closes a session: the first thing that OKV does with its token. */
static void session_try(const struct session *s, struct hsm_slot *slot)
{
	unsigned long handle = 0;

	slot->session_call = HSM_CALL_OPEN_SESSION;
	call_begin(s, HSM_CALL_OPEN_SESSION);
	slot->session_rv = s->functions->C_OpenSession(slot->id, CKF_SERIAL_SESSION, NULL, NULL, &handle);
	/* 0 is never a valid handle (CK_INVALID_HANDLE). */
	if (slot->session_rv == CKR_OK && handle == 0)
		slot->session_rv = CKR_SESSION_HANDLE_INVALID;
	if (slot->session_rv != CKR_OK)
		return;
	slot->session_call = HSM_CALL_CLOSE_SESSION;
	call_begin(s, HSM_CALL_CLOSE_SESSION);
	slot->session_rv = s->functions->C_CloseSession(handle);
}

/* Values that no library returns: they show that it did not set the variable. */
#define COUNT_UNSET 0x5afe5afeUL
#define SLOT_UNSET  (~0UL)

/* Gets the number of slots, then the list.  *ret_again: there are more by now. */
static bool slots_list(const struct session *s, unsigned long *ids, unsigned long *ret_announced,
		       unsigned long *ret_count, bool *ret_again)
{
	unsigned long expected = COUNT_UNSET;

	call_begin(s, HSM_CALL_SLOT_LIST);
	unsigned long rv = s->functions->C_GetSlotList(WITH_TOKEN, NULL, &expected);
	if (rv == CKR_OK && expected == COUNT_UNSET)
		return stop(s, HSM_END_LIED, 0, "C_GetSlotList answered CKR_OK and gave no number");
	if (rv == CKR_OK && expected > HSM_SLOTS_MAX)
		return stop(s, HSM_END_LIED, 0, "C_GetSlotList reports %lu slots, more than any HSM has", expected);
	unsigned long count = expected;
	for (unsigned long i = 0; i < HSM_SLOTS_MAX; i++)
		ids[i] = SLOT_UNSET;
	if (rv == CKR_OK)
		rv = s->functions->C_GetSlotList(WITH_TOKEN, ids, &count);
	*ret_again = rv == CKR_BUFFER_TOO_SMALL;
	if (rv != CKR_OK && !*ret_again)
		return stop(s, HSM_END_ERROR, rv, "C_GetSlotList answered %s", HSM_RV(rv));
	if (!*ret_again && count > expected)
		return stop(s, HSM_END_LIED, 0, "C_GetSlotList reports %lu slots after it announced %lu", count,
			    expected);
	*ret_announced = expected;
	*ret_count = count;
	return true;
}

static int by_id(const void *a, const void *b)
{
	const unsigned long left = *(const unsigned long *)a, right = *(const unsigned long *)b;

	return left < right ? -1 : left > right;
}

/* Is each slot of the list set, and are all different? */
static bool slots_differ(const struct session *s, const unsigned long *ids, unsigned long count)
{
	static unsigned long sorted[HSM_SLOTS_MAX];

	if (count == 0)
		return true;
	memcpy(sorted, ids, count * sizeof(ids[0]));
	qsort(sorted, count, sizeof(sorted[0]), by_id);
	if (sorted[count - 1] == SLOT_UNSET)
		return stop(s, HSM_END_LIED, 0, "C_GetSlotList reports %lu slots and does not name them all", count);
	for (unsigned long i = 1; i < count; i++)
		if (sorted[i] == sorted[i - 1])
			return stop(s, HSM_END_LIED, 0, "C_GetSlotList names slot %lu twice", sorted[i]);
	return true;
}

static bool slots_read(struct session *s)
{
	static unsigned long ids[HSM_SLOTS_MAX];
	unsigned long count = 0, announced = 0, first = 0;
	bool again = true;

	for (int tries = 0; again; tries++) {
		if (tries == LIST_TRIES)
			return stop(s, HSM_END_LIED, 0,
				    "C_GetSlotList keeps changing: it reports %lu slots, and then has more", count);
		if (!slots_list(s, ids, &announced, &count, &again))
			return false;
		if (tries == 0)
			first = announced;
	}
	if (count != first)
		note(s, "C_GetSlotList gave different answers to two calls: first %lu, then %lu slots", first, count);
	if (!slots_differ(s, ids, count))
		return false;
	for (unsigned long i = 0; i < count; i++) {
		struct hsm_slot *slot = &s->slots[i];
		slot_read(s, ids[i], slot);
		if (slot->token_rv == CKR_OK && (slot->token.flags & CKF_TOKEN_INITIALIZED) != 0)
			session_try(s, slot);
		send_message(s, HSM_MESSAGE_SLOT, slot, sizeof(*slot));
		s->slot_count = i + 1;
	}
	return true;
}

/* Reads the members of HA groups, which HAOnly hides, if the library has the call for it. */
static void members_read(const struct session *s)
{
	static struct cryptoki_ha_state state;
	unsigned long (*get)(unsigned long slot, struct cryptoki_ha_state *state) = NULL;

	*(void **)&get = dlsym(s->library, "CA_GetHAState");
	for (size_t i = 0; s->begin.groups != 0 && get != NULL && i < s->slot_count; i++) {
		const struct hsm_slot *slot = &s->slots[i];
		char serial[CRYPTOKI_MEMBER_SERIAL_SIZE + 1];
		if (slot->token_rv != CKR_OK)
			continue;
		memset(&state, 0, sizeof(state));
		call_begin(s, HSM_CALL_HA_STATE);
		if (get(slot->id, &state) != CKR_OK || state.count > CRYPTOKI_MEMBERS_MAX)
			continue;
		cryptoki_text_copy(serial, (const unsigned char *)state.group_serial, sizeof(state.group_serial));
		if (!text_is(slot->token.serial, sizeof(slot->token.serial), serial))
			continue;
		for (size_t k = 0; k < state.count; k++) {
			struct hsm_member member;
			memset(&member, 0, sizeof(member));
			member.slot = slot->id;
			member.rv = state.members[k].rv;
			cryptoki_text_copy(member.serial, (const unsigned char *)state.members[k].serial,
					   sizeof(state.members[k].serial));
			send_message(s, HSM_MESSAGE_MEMBER, &member, sizeof(member));
		}
	}
}

/* --- the key ------------------------------------------------------------------------------------------------------ */

struct test {
	const struct session *s;
	const struct cryptoki_functions *functions;
	unsigned long session;
	struct hsm_key result;
};

/* Announces a call, makes it, and keeps the first error. */
#define CALL(test, number, expression) call_made((test), (number), (call_begin((test)->s, (number)), (expression)))

static bool call_made(struct test *test, enum hsm_call call, unsigned long rv)
{
	if (rv == CKR_OK)
		return true;
	if (test->result.rv == CKR_OK) {
		test->result.rv = rv;
		test->result.call = call;
	}
	return false;
}

static bool login(struct test *test)
{
	const struct session *s = test->s;

	call_begin(s, HSM_CALL_LOGIN);
	const unsigned long rv =
		test->functions->C_Login(test->session, CKU_USER, (unsigned char *)s->pin, s->pin_length);
	return rv == CKR_USER_ALREADY_LOGGED_IN || call_made(test, HSM_CALL_LOGIN, rv);
}

static bool find(struct test *test, unsigned long *ret_key)
{
	unsigned long class = CKO_SECRET_KEY, found[KEYS_MAX], count = 0;
	char copy[256];
	struct cryptoki_attribute template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_LABEL, copy, strnlen(test->s->key, sizeof(copy)) },
	};

	memcpy(copy, test->s->key, template[1].length);
	if (!CALL(test, HSM_CALL_FIND_INIT, test->functions->C_FindObjectsInit(test->session, template, 2)))
		return false;
	while (CALL(test, HSM_CALL_FIND, test->functions->C_FindObjects(test->session, found, KEYS_MAX, &count))) {
		if (count > KEYS_MAX) {
			(void)call_made(test, HSM_CALL_FIND, CKR_FUNCTION_FAILED);
			break;
		}
		if (count > 0 && test->result.found == 0)
			*ret_key = found[0];
		test->result.found += count;
		/* One too many is enough; there is no need to count all. */
		if (count == 0 || test->result.found > KEYS_MAX)
			break;
	}
	return CALL(test, HSM_CALL_FIND_FINAL, test->functions->C_FindObjectsFinal(test->session)) &&
	       test->result.rv == CKR_OK;
}

/* Reads one attribute at a time: one that the token does not know must not hide the others. */
static bool attribute(struct test *test, unsigned long key, unsigned long type, void *value, unsigned long size)
{
	struct cryptoki_attribute template = { type, value, size };

	return CALL(test, HSM_CALL_ATTRIBUTES,
		    test->functions->C_GetAttributeValue(test->session, key, &template, 1)) &&
	       template.length == size;
}

static void look(struct test *test, unsigned long key)
{
	unsigned char sensitive = 0, extractable = 1;
	unsigned long type = 0, length = 0;

	if (!attribute(test, key, CKA_KEY_TYPE, &type, sizeof(type)) ||
	    !attribute(test, key, CKA_SENSITIVE, &sensitive, 1) ||
	    !attribute(test, key, CKA_EXTRACTABLE, &extractable, 1))
		return;
	test->result.type = type;
	test->result.sensitive = sensitive != 0;
	test->result.extractable = extractable != 0;
	/* Some tokens do not report the length; that is not an error. */
	call_begin(test->s, HSM_CALL_ATTRIBUTES);
	struct cryptoki_attribute template = { CKA_VALUE_LEN, &length, sizeof(length) };
	if (test->functions->C_GetAttributeValue(test->session, key, &template, 1) == CKR_OK)
		test->result.length = length;
}

/* Is the PIN locked, or would one more wrong PIN lock it? */
static bool is_near_lock(const struct hsm_slot *slot)
{
	return (slot->token.flags & (CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED)) != 0;
}

static struct hsm_key key_test(const struct session *s, const struct hsm_slot *slot)
{
	struct test test = { .s = s, .functions = s->functions };
	unsigned long key = 0;

	test.result.slot = slot->id;
	if (is_near_lock(slot)) {
		(void)call_made(&test, HSM_CALL_LOGIN, CKR_PIN_LOCKED);
		return test.result;
	}
	if (!CALL(&test, HSM_CALL_OPEN_SESSION,
		  s->functions->C_OpenSession(slot->id, CKF_SERIAL_SESSION, NULL, NULL, &test.session)))
		return test.result;
	if (login(&test)) {
		if (find(&test, &key) && test.result.found == 1)
			look(&test, key);
		(void)CALL(&test, HSM_CALL_LOGOUT, s->functions->C_Logout(test.session));
	}
	(void)CALL(&test, HSM_CALL_CLOSE_SESSION, s->functions->C_CloseSession(test.session));
	return test.result;
}

/* Is it unclear which token to log in to?  Also counts tokens that open no session: one may be the right one. */
static bool is_ambiguous(const struct session *s)
{
	size_t present = 0;

	for (size_t i = 0; i < s->slot_count; i++)
		present += s->slots[i].token_rv != CKR_TOKEN_NOT_PRESENT;
	return present > 1 && s->label == NULL && s->serial == NULL;
}

/* The tokens that match, by the parent's rules.  If one is near its lock, only that one: no PIN is tried anywhere. */
static size_t key_slots(const struct session *s, const struct hsm_slot *ret_slots[])
{
	size_t count = 0;

	for (size_t i = 0; i < s->slot_count; i++) {
		const struct hsm_slot *slot = &s->slots[i];
		if (slot->session_call == HSM_CALL_NONE || slot->session_rv != CKR_OK ||
		    (s->label != NULL && !text_is(slot->token.label, sizeof(slot->token.label), s->label)) ||
		    (s->serial != NULL && !text_is(slot->token.serial, sizeof(slot->token.serial), s->serial)))
			continue;
		if (is_near_lock(slot)) {
			ret_slots[0] = slot;
			return 1;
		}
		ret_slots[count++] = slot;
	}
	return count;
}

static void keys_read(struct session *s)
{
	static const struct hsm_slot *slots[HSM_SLOTS_MAX];
	/* If it is ambiguous, the parent reports that. */
	const size_t count = s->key != NULL && !is_ambiguous(s) ? key_slots(s, slots) : 0;

	for (size_t i = 0; i < count; i++) {
		const struct hsm_key message = key_test(s, slots[i]);
		send_message(s, HSM_MESSAGE_KEY, &message, sizeof(message));
		/* The next token would refuse the PIN, too. */
		if (message.rv != CKR_OK && message.call == HSM_CALL_LOGIN)
			break;
	}
	proc_message_reader_done(&s->reader);
}

static void finalize(const struct session *s)
{
	call_begin(s, HSM_CALL_FINALIZE);
	const unsigned long rv = s->functions->C_Finalize(NULL);
	if (rv != CKR_OK)
		note(s, "C_Finalize answered %s", HSM_RV(rv));
}

/* --- the whole run ------------------------------------------------------------------------------------------------ */

int hsm_session_serve(void)
{
	static struct session session; /* too large for the stack: a thousand slots */
	struct session *s = &session;
	struct fault f = { 0 };

	if (question_read(s, &f) < 0 || proc_worker_become(&s->begin.identity, &f) < 0 || socket_look(s, &f) < 0)
		return proc_worker_fail(&f);
	if (environment_enter(s) && load(s) && functions_get(s) && initialize(s)) {
		if (slots_read(s)) {
			members_read(s);
			keys_read(s);
		}
		finalize(s);
	}
	send_message(s, HSM_MESSAGE_ALL, s->begin.nonce, sizeof(s->begin.nonce));
	return 0;
}

#include "hsm/session.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hsm/key.h"
#include "hsm/names.h"

enum { LIST_TRIES = 5, WITH_TOKEN = 1 };

struct session {
	const struct hsm_session *context;
	struct hsm_sender sender;
	const struct cryptoki_functions *functions;
	void *library;
	struct hsm_slot slots[HSM_SLOTS_MAX]; /* as sent, for the key test */
	size_t slot_count;
};

static void call_begin(const struct session *s, enum hsm_call call)
{
	s->context->shared->call = call;
}

static void note(const struct session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(const struct session *s, const char *format, ...)
{
	char body[HSM_TEXT_SIZE] = "";
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(body, sizeof(body), format, arguments);
	va_end(arguments);
	hsm_send(&s->sender, HSM_MESSAGE_NOTE, body, sizeof(body));
}

/* Says why nothing can follow; returns false, so that it ends a chain of steps. */
static bool stop(const struct session *s, enum hsm_end end, uint64_t rv, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static bool stop(const struct session *s, enum hsm_end end, uint64_t rv, const char *format, ...)
{
	struct hsm_stop_message body = { .end = end, .rv = rv };
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(body.text, sizeof(body.text), format, arguments);
	va_end(arguments);
	hsm_send(&s->sender, HSM_MESSAGE_STOP, &body, sizeof(body));
	return false;
}

static bool is_denied(const char *path)
{
	return access(path, R_OK) < 0 && errno == EACCES;
}

static bool environment_enter(const struct session *s)
{
	const struct hsm_environment *environment = s->context->environment;
	const struct hsm_question *q = s->context->question;

	if (q->module == NULL && q->source == HSM_LIBRARY_OKV_CONF && is_denied(HSM_OKV_CONF))
		return stop(s, HSM_END_UNNAMED, 0, "%s", HSM_OKV_CONF);
	/* clearenv(3) would leave NULL, over which a library may stumble that walks the environment itself. */
	static char *nothing[] = { NULL };
	environ = nothing;
	if (environment->count > 0 && is_denied(HSM_OKV_ENVIRONMENT)) {
		note(s, "%s cannot be read by this user, so OKV sets nothing of it", HSM_OKV_ENVIRONMENT);
		return true;
	}
	for (size_t i = 0; i < environment->count; i++)
		if (putenv(environment->items[i]) != 0)
			return stop(s, HSM_END_UNLOADABLE, 0, "its environment could not be set");
	return true;
}

/* The objects in this process: libc and all else that was there before come first. */
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
	/* A run path may be relative, or climb ("$ORIGIN/../lib"). */
	if (path[0] != '/' || strstr(path, "/.") != NULL)
		real = realpath(path, NULL);
	if (real != NULL)
		path = real;
	hsm_send(&objects->session->sender, HSM_MESSAGE_OBJECT, path, strlen(path) + 1);
	free(real);
	return 0;
}

/* In the words of dlerror(3), which may leave out why the kernel would not map the file: "FILE: what was done". */
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

static bool load(struct session *s)
{
	struct objects objects = { .session = s };

	call_begin(s, HSM_CALL_LOAD);
	(void)dl_iterate_phdr(object_count, &objects);
	/* Lazily, as clients do: a symbol that is missed by a function that nobody calls is no reason to say no. */
	s->library = dlopen(s->context->path, RTLD_LAZY | RTLD_LOCAL);
	if (s->library == NULL)
		return unloadable(s, dlerror());
	(void)dl_iterate_phdr(object_send, &objects);
	return hsm_send_and_wait(&s->sender);
}

static bool functions_get(struct session *s)
{
	unsigned long (*get)(struct cryptoki_functions **) = NULL;
	/* ISO C has no conversion from an object pointer to a function pointer; POSIX has this one. */
	*(void **)&get = dlsym(s->library, "C_GetFunctionList");
	if (get == NULL)
		return stop(s, HSM_END_UNLOADABLE, 0,
			    "it has no function C_GetFunctionList, so it is no PKCS#11 library");
	if (s->context->question->load_only)
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
		return stop(s, HSM_END_LIED, 0, "its function list has holes where calls should be");
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
		hsm_send(&s->sender, HSM_MESSAGE_INFO, &info, sizeof(info));
	else
		note(s, "C_GetInfo answered %s", HSM_RV(rv));
	return true;
}

/* Every byte is set, so that padding between members gives nothing away. */
static struct hsm_slot slot_blank(unsigned long id)
{
	struct hsm_slot slot;

	memset(&slot, 0, sizeof(slot));
	slot.id = id;
	slot.token_rv = CKR_TOKEN_NOT_PRESENT;
	return slot;
}

static void slot_read(const struct session *s, struct hsm_slot *slot)
{
	struct cryptoki_slot_info info;

	memset(&info, 0, sizeof(info));
	call_begin(s, HSM_CALL_SLOT_INFO);
	slot->slot_rv = s->functions->C_GetSlotInfo(slot->id, &info);
	if (slot->slot_rv != CKR_OK)
		return;
	cryptoki_text_copy(slot->description, info.description, sizeof(info.description));
	cryptoki_text_copy(slot->slot_manufacturer, info.manufacturer, sizeof(info.manufacturer));
	slot->slot_flags = info.flags;
	slot->slot_hardware = info.hardware;
	slot->slot_firmware = info.firmware;
}

static void token_read(const struct session *s, struct hsm_slot *slot)
{
	struct cryptoki_token_info info;

	memset(&info, 0, sizeof(info));
	call_begin(s, HSM_CALL_TOKEN_INFO);
	slot->token_rv = s->functions->C_GetTokenInfo(slot->id, &info);
	if (slot->token_rv != CKR_OK)
		return;
	cryptoki_text_copy(slot->label, info.label, sizeof(info.label));
	cryptoki_text_copy(slot->manufacturer, info.manufacturer, sizeof(info.manufacturer));
	cryptoki_text_copy(slot->model, info.model, sizeof(info.model));
	cryptoki_text_copy(slot->serial, info.serial, sizeof(info.serial));
	slot->flags = info.flags;
	slot->session_max = info.session_max;
	slot->session_count = info.session_count;
	slot->rw_session_max = info.rw_session_max;
	slot->rw_session_count = info.rw_session_count;
	slot->pin_least = info.pin_least;
	slot->pin_most = info.pin_most;
	slot->public_total = info.public_total;
	slot->public_free = info.public_free;
	slot->private_total = info.private_total;
	slot->private_free = info.private_free;
	slot->hardware = info.hardware;
	slot->firmware = info.firmware;
	cryptoki_text_copy(slot->utc_time, info.utc_time, sizeof(info.utc_time));
}

/* What OKV does before anything else with its token. */
static void session_try(const struct session *s, struct hsm_slot *slot)
{
	unsigned long handle = 0;

	slot->session_call = HSM_CALL_OPEN_SESSION;
	call_begin(s, HSM_CALL_OPEN_SESSION);
	slot->session_rv = s->functions->C_OpenSession(slot->id, CKF_SERIAL_SESSION, NULL, NULL, &handle);
	if (slot->session_rv != CKR_OK)
		return;
	slot->session_call = HSM_CALL_CLOSE_SESSION;
	call_begin(s, HSM_CALL_CLOSE_SESSION);
	slot->session_rv = s->functions->C_CloseSession(handle);
}

/* No count and no slot that a library means; what is left as it was shows by them. */
#define COUNT_UNTOLD 0x5afe5afeUL
#define SLOT_UNTOLD  (~0UL)

/* One list, as it was announced a moment before.  *ret_again: there are more by now. */
static bool slots_list(const struct session *s, unsigned long *ids, unsigned long *ret_announced,
		       unsigned long *ret_count, bool *ret_again)
{
	unsigned long expected = COUNT_UNTOLD;

	call_begin(s, HSM_CALL_SLOT_LIST);
	unsigned long rv = s->functions->C_GetSlotList(WITH_TOKEN, NULL, &expected);
	if (rv == CKR_OK && expected == COUNT_UNTOLD)
		return stop(s, HSM_END_LIED, 0, "C_GetSlotList answered CKR_OK and told no number");
	if (rv == CKR_OK && expected > HSM_SLOTS_MAX)
		return stop(s, HSM_END_LIED, 0, "C_GetSlotList speaks of %lu slots, more than any HSM has", expected);
	unsigned long count = expected;
	for (unsigned long i = 0; i < HSM_SLOTS_MAX; i++)
		ids[i] = SLOT_UNTOLD;
	if (rv == CKR_OK)
		rv = s->functions->C_GetSlotList(WITH_TOKEN, ids, &count);
	*ret_again = rv == CKR_BUFFER_TOO_SMALL;
	if (rv != CKR_OK && !*ret_again)
		return stop(s, HSM_END_ERROR, rv, "C_GetSlotList answered %s", HSM_RV(rv));
	if (!*ret_again && count > expected)
		return stop(s, HSM_END_LIED, 0, "C_GetSlotList speaks of %lu slots after it announced %lu", count,
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

/* Each one named, and once. */
static bool slots_differ(const struct session *s, const unsigned long *ids, unsigned long count)
{
	static unsigned long sorted[HSM_SLOTS_MAX];

	if (count == 0)
		return true;
	memcpy(sorted, ids, count * sizeof(ids[0]));
	qsort(sorted, count, sizeof(sorted[0]), by_id);
	if (sorted[count - 1] == SLOT_UNTOLD)
		return stop(s, HSM_END_LIED, 0, "C_GetSlotList speaks of %lu slots and does not name them all", count);
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
				    "C_GetSlotList never holds still: it speaks of %lu slots, and then has more",
				    count);
		if (!slots_list(s, ids, &announced, &count, &again))
			return false;
		if (tries == 0)
			first = announced;
	}
	if (count != first)
		note(s, "C_GetSlotList changed its mind between two calls: first %lu, then %lu slots", first, count);
	if (!slots_differ(s, ids, count))
		return false;
	for (unsigned long i = 0; i < count; i++) {
		struct hsm_slot slot = slot_blank(ids[i]);
		slot_read(s, &slot);
		if (slot.slot_rv == CKR_OK && (slot.slot_flags & CKF_TOKEN_PRESENT) != 0)
			token_read(s, &slot);
		if (slot.token_rv == CKR_OK && (slot.flags & CKF_TOKEN_INITIALIZED) != 0)
			session_try(s, &slot);
		hsm_send(&s->sender, HSM_MESSAGE_SLOT, &slot, sizeof(slot));
		s->slots[i] = slot;
		s->slot_count = i + 1;
	}
	return true;
}

/* Members of high-availability groups that HAOnly hides, where the library has the call for it. */
static void members_read(const struct session *s)
{
	static struct cryptoki_ha_state state;
	unsigned long (*get)(unsigned long slot, struct cryptoki_ha_state *state) = NULL;

	*(void **)&get = dlsym(s->library, "CA_GetHAState");
	for (size_t i = 0; s->context->groups && get != NULL && i < s->slot_count; i++) {
		const struct hsm_slot *slot = &s->slots[i];
		char serial[CRYPTOKI_MEMBER_SERIAL_SIZE + 1];
		if (slot->token_rv != CKR_OK)
			continue;
		memset(&state, 0, sizeof(state));
		call_begin(s, HSM_CALL_HA_STATE);
		if (get(slot->id, &state) != CKR_OK || state.count > CRYPTOKI_MEMBERS_MAX)
			continue;
		cryptoki_text_copy(serial, (const unsigned char *)state.group_serial, sizeof(state.group_serial));
		if (strcmp(serial, slot->serial) != 0)
			continue;
		for (size_t k = 0; k < state.count; k++) {
			struct hsm_member member;
			memset(&member, 0, sizeof(member));
			member.slot = slot->id;
			member.rv = state.members[k].rv;
			cryptoki_text_copy(member.serial, (const unsigned char *)state.members[k].serial,
					   sizeof(state.members[k].serial));
			hsm_send(&s->sender, HSM_MESSAGE_MEMBER, &member, sizeof(member));
		}
	}
}

/* Tokens that match, as the parent will count them; one near its lock comes alone, so that no PIN is spent before. */
static size_t key_slots(const struct session *s, const struct hsm_slot *ret_slots[])
{
	const struct hsm_requirements *required = &s->context->question->required;
	size_t count = 0;

	for (size_t i = 0; i < s->slot_count; i++) {
		const struct hsm_slot *slot = &s->slots[i];
		if (slot->session_call == HSM_CALL_NONE || slot->session_rv != CKR_OK ||
		    (required->label != NULL && strcmp(slot->label, required->label) != 0) ||
		    (required->serial != NULL && strcmp(slot->serial, required->serial) != 0))
			continue;
		if (hsm_key_is_near_lock(slot)) {
			ret_slots[0] = slot;
			return 1;
		}
		ret_slots[count++] = slot;
	}
	return count;
}

static void keys_read(const struct session *s)
{
	static const struct hsm_slot *slots[HSM_SLOTS_MAX];
	const struct hsm_question *q = s->context->question;
	size_t count = q->key != NULL ? key_slots(s, slots) : 0;

	/* Which one is meant is for the parent to ask. */
	if (count > 1 && q->required.label == NULL && q->required.serial == NULL)
		count = 0;
	for (size_t i = 0; i < count; i++) {
		const struct hsm_key_message message = hsm_key_test(s->functions, s->context->shared, slots[i], q->key);
		hsm_send(&s->sender, HSM_MESSAGE_KEY, &message, sizeof(message));
		/* The next one would refuse the PIN, too. */
		if (message.rv != CKR_OK && message.call == HSM_CALL_LOGIN)
			break;
	}
	/* This process has its own copy of the memory, and no more use for the PIN. */
	if (q->key != NULL)
		text_wipe(q->key->pin, q->key->pin_length);
}

static void finalize(const struct session *s)
{
	call_begin(s, HSM_CALL_FINALIZE);
	const unsigned long rv = s->functions->C_Finalize(NULL);
	if (rv != CKR_OK)
		note(s, "C_Finalize answered %s", HSM_RV(rv));
}

int hsm_session_work(void *context, int pipe, struct fault *f)
{
	static struct session session; /* a thousand slots are no matter for the stack */
	struct session *s = &session;

	s->context = context;
	if (!hsm_sender_start(&s->sender, pipe, s->context->shared))
		return fault_system(f, errno, "the pipe is no pipe");
	if (!environment_enter(s) || !load(s) || !functions_get(s) || !initialize(s))
		goto done;
	if (slots_read(s)) {
		members_read(s);
		keys_read(s);
	}
	finalize(s);
done:
	hsm_send(&s->sender, HSM_MESSAGE_ALL, s->context->nonce, sizeof(s->context->nonce));
	return 0;
}

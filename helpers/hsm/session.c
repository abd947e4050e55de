#include "hsm/session.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hsm/key.h"
#include "hsm/names.h"

struct talk {
	const struct hsm_session *session;
	struct hsm_sender sender;
	const struct cryptoki_functions *functions;
	void *library;
	struct hsm_slot slots[HSM_SLOTS_MAX]; /* as told, for the key test */
	size_t slot_count;
};

static void call_begin(const struct talk *t, enum hsm_call call)
{
	t->session->shared->call = call;
}

static void note(const struct talk *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(const struct talk *t, const char *format, ...)
{
	char body[HSM_TEXT_SIZE] = "";
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(body, sizeof(body), format, arguments);
	va_end(arguments);
	hsm_send(&t->sender, HSM_MESSAGE_NOTE, body, sizeof(body));
}

/* Says why nothing can follow; returns false, so that it ends a chain of steps. */
static bool stop(const struct talk *t, enum hsm_end end, uint64_t rv, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static bool stop(const struct talk *t, enum hsm_end end, uint64_t rv, const char *format, ...)
{
	struct hsm_stop_message body = { .end = end, .rv = rv };
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(body.text, sizeof(body.text), format, arguments);
	va_end(arguments);
	hsm_send(&t->sender, HSM_MESSAGE_STOP, &body, sizeof(body));
	return false;
}

static bool environment_enter(const struct talk *t)
{
	const struct hsm_environment *environment = t->session->environment;

	/* clearenv(3) would leave NULL, over which a library may stumble that walks the environment itself. */
	static char *nothing[] = { NULL };
	environ = nothing;
	for (size_t i = 0; i < environment->count; i++)
		if (putenv(environment->items[i]) != 0)
			return stop(t, HSM_END_UNLOADABLE, 0, "its environment could not be set");
	return true;
}

/* The objects in this process: libc and all else that was there before come first. */
struct objects {
	const struct talk *talk;
	size_t before, seen;
};

static int object_count(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)info;
	(void)size;
	((struct objects *)context)->before++;
	return 0;
}

static int object_tell(struct dl_phdr_info *info, size_t size, void *context)
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
	hsm_send(&objects->talk->sender, HSM_MESSAGE_OBJECT, path, strlen(path) + 1);
	free(real);
	return 0;
}

static bool load(struct talk *t)
{
	struct objects objects = { .talk = t };

	call_begin(t, HSM_CALL_LOAD);
	(void)dl_iterate_phdr(object_count, &objects);
	/* Lazily, as clients do: a symbol that is missed by a function that nobody calls is no reason to say no. */
	t->library = dlopen(t->session->path, RTLD_LAZY | RTLD_LOCAL);
	if (t->library == NULL) {
		const char *why = dlerror();
		return stop(t, HSM_END_UNLOADABLE, 0, "%s", why != NULL ? why : "the dynamic linker refused it");
	}
	(void)dl_iterate_phdr(object_tell, &objects);
	return hsm_send_and_wait(&t->sender);
}

static bool functions_get(struct talk *t)
{
	unsigned long (*get)(struct cryptoki_functions **) = NULL;
	/* ISO C has no conversion from an object pointer to a function pointer; POSIX has this one. */
	*(void **)&get = dlsym(t->library, "C_GetFunctionList");
	if (get == NULL)
		return stop(t, HSM_END_UNLOADABLE, 0,
			    "it has no function C_GetFunctionList, so it is no PKCS#11 library");
	if (t->session->question->load_only)
		return false;

	struct cryptoki_functions *list = NULL;
	call_begin(t, HSM_CALL_FUNCTION_LIST);
	const unsigned long rv = get(&list);
	if (rv != CKR_OK)
		return stop(t, HSM_END_ERROR, rv, "C_GetFunctionList answered %s", HSM_RV(rv));
	if (list == NULL)
		return stop(t, HSM_END_LIED, 0, "C_GetFunctionList answered CKR_OK and gave no list");
	if (list->version.major != 2 && list->version.major != 3)
		return stop(t, HSM_END_LIED, 0,
			    "its function list is of PKCS#11 version %u.%u, and 2.x or 3.x is needed",
			    list->version.major, list->version.minor);
	if (list->C_Initialize == NULL || list->C_Finalize == NULL || list->C_GetInfo == NULL ||
	    list->C_GetSlotList == NULL || list->C_GetSlotInfo == NULL || list->C_GetTokenInfo == NULL ||
	    list->C_GetMechanismList == NULL || list->C_GetMechanismInfo == NULL)
		return stop(t, HSM_END_LIED, 0, "its function list has holes where calls should be");
	t->functions = list;
	return true;
}

static bool initialize(const struct talk *t)
{
	struct cryptoki_info info;

	call_begin(t, HSM_CALL_INITIALIZE);
	unsigned long rv = t->functions->C_Initialize(NULL);
	if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED)
		return stop(t, HSM_END_ERROR, rv, "C_Initialize answered %s", HSM_RV(rv));

	memset(&info, 0, sizeof(info));
	call_begin(t, HSM_CALL_INFO);
	rv = t->functions->C_GetInfo(&info);
	if (rv == CKR_OK)
		hsm_send(&t->sender, HSM_MESSAGE_INFO, &info, sizeof(info));
	else
		note(t, "C_GetInfo answered %s", HSM_RV(rv));
	return true;
}

/* Every byte is set, so that padding between members tells nothing. */
static struct hsm_slot slot_blank(unsigned long id)
{
	struct hsm_slot slot;

	memset(&slot, 0, sizeof(slot));
	slot.id = id;
	slot.token_rv = CKR_TOKEN_NOT_PRESENT;
	return slot;
}

static void slot_read(const struct talk *t, struct hsm_slot *slot)
{
	struct cryptoki_slot_info info;

	memset(&info, 0, sizeof(info));
	call_begin(t, HSM_CALL_SLOT_INFO);
	slot->slot_rv = t->functions->C_GetSlotInfo(slot->id, &info);
	if (slot->slot_rv != CKR_OK)
		return;
	cryptoki_text_copy(slot->description, info.description, sizeof(info.description));
	cryptoki_text_copy(slot->slot_manufacturer, info.manufacturer, sizeof(info.manufacturer));
	slot->slot_flags = info.flags;
	slot->slot_hardware = info.hardware;
	slot->slot_firmware = info.firmware;
}

static void token_read(const struct talk *t, struct hsm_slot *slot)
{
	struct cryptoki_token_info info;

	memset(&info, 0, sizeof(info));
	call_begin(t, HSM_CALL_TOKEN_INFO);
	slot->token_rv = t->functions->C_GetTokenInfo(slot->id, &info);
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

static void mechanisms_read(const struct talk *t, size_t index, struct hsm_slot *slot)
{
	static unsigned long types[HSM_MECHANISMS_MAX];
	unsigned long count = 0;

	call_begin(t, HSM_CALL_MECHANISM_LIST);
	unsigned long rv = t->functions->C_GetMechanismList(slot->id, NULL, &count);
	if (rv == CKR_OK) {
		count = HSM_MECHANISMS_MAX;
		rv = t->functions->C_GetMechanismList(slot->id, types, &count);
	}
	if (rv != CKR_OK || count > HSM_MECHANISMS_MAX) {
		note(t, "slot %" PRIu64 ": C_GetMechanismList answered %s and %lu mechanisms", slot->id, HSM_RV(rv),
		     count);
		return;
	}
	for (unsigned long i = 0; i < count; i++) {
		struct cryptoki_mechanism_info info;
		struct hsm_mechanism_message told;
		memset(&info, 0, sizeof(info));
		memset(&told, 0, sizeof(told));
		call_begin(t, HSM_CALL_MECHANISM_INFO);
		told.slot_index = index;
		told.mechanism.type = types[i];
		told.mechanism.rv = t->functions->C_GetMechanismInfo(slot->id, types[i], &info);
		if (told.mechanism.rv == CKR_OK) {
			told.mechanism.key_least = info.key_least;
			told.mechanism.key_most = info.key_most;
			told.mechanism.flags = info.flags;
		}
		hsm_send(&t->sender, HSM_MESSAGE_MECHANISM, &told, sizeof(told));
	}
}

static bool slots_read(struct talk *t)
{
	static unsigned long ids[HSM_SLOTS_MAX];
	const unsigned char with_token = t->session->question->all ? 0 : 1;
	unsigned long expected = 0, count = HSM_SLOTS_MAX;

	call_begin(t, HSM_CALL_SLOT_LIST);
	unsigned long rv = t->functions->C_GetSlotList(with_token, NULL, &expected);
	if (rv == CKR_OK && expected <= HSM_SLOTS_MAX)
		rv = t->functions->C_GetSlotList(with_token, ids, &count);
	if (rv == CKR_BUFFER_TOO_SMALL || expected > HSM_SLOTS_MAX || (rv == CKR_OK && count > HSM_SLOTS_MAX))
		return stop(t, HSM_END_LIED, 0, "C_GetSlotList speaks of %lu slots, more than any HSM has",
			    expected > HSM_SLOTS_MAX ? expected : count);
	if (rv != CKR_OK)
		return stop(t, HSM_END_ERROR, rv, "C_GetSlotList answered %s", HSM_RV(rv));
	if (count != expected)
		note(t, "C_GetSlotList changed its mind between two calls: first %lu, then %lu slots", expected, count);

	for (unsigned long i = 0; i < count; i++) {
		struct hsm_slot slot = slot_blank(ids[i]);
		slot_read(t, &slot);
		if (slot.slot_rv == CKR_OK && (slot.slot_flags & CKF_TOKEN_PRESENT) != 0)
			token_read(t, &slot);
		hsm_send(&t->sender, HSM_MESSAGE_SLOT, &slot, sizeof(slot));
		if (t->session->question->mechanisms && slot.token_rv == CKR_OK)
			mechanisms_read(t, i, &slot);
		t->slots[i] = slot;
		t->slot_count = i + 1;
	}
	return true;
}

static void interfaces_read(const struct talk *t)
{
	struct cryptoki_interface interfaces[HSM_INTERFACES_MAX];
	unsigned long (*list)(struct cryptoki_interface *, unsigned long *) = NULL;
	unsigned long count = HSM_INTERFACES_MAX;

	*(void **)&list = dlsym(t->library, "C_GetInterfaceList");
	if (!t->session->question->interfaces || list == NULL)
		return;
	memset(interfaces, 0, sizeof(interfaces));
	call_begin(t, HSM_CALL_INTERFACE_LIST);
	const unsigned long rv = list(interfaces, &count);
	if (rv != CKR_OK || count > HSM_INTERFACES_MAX) {
		note(t, "C_GetInterfaceList answered %s", HSM_RV(rv));
		return;
	}
	for (unsigned long i = 0; i < count; i++) {
		struct hsm_interface told;
		memset(&told, 0, sizeof(told));
		if (interfaces[i].name != NULL)
			(void)snprintf(told.name, sizeof(told.name), "%s", interfaces[i].name);
		/* Every function list begins with its version. */
		if (interfaces[i].functions != NULL)
			memcpy(&told.version, interfaces[i].functions, sizeof(told.version));
		told.flags = interfaces[i].flags;
		hsm_send(&t->sender, HSM_MESSAGE_INTERFACE, &told, sizeof(told));
	}
}

static bool key_slot(const struct hsm_slot *slot, const struct hsm_question *q)
{
	return slot->token_rv == CKR_OK && (slot->flags & CKF_TOKEN_INITIALIZED) != 0 &&
	       (q->key_token == NULL || strcmp(slot->label, q->key_token) == 0) &&
	       (q->key_serial == NULL || strcmp(slot->serial, q->key_serial) == 0);
}

static void key_read(const struct talk *t)
{
	const struct hsm_question *q = t->session->question;

	for (size_t i = 0; q->key != NULL && i < t->slot_count; i++) {
		if (!key_slot(&t->slots[i], q))
			continue;
		const struct hsm_key_message told =
			hsm_key_test(t->functions, t->session->shared, &t->slots[i], q->key);
		hsm_send(&t->sender, HSM_MESSAGE_KEY, &told, sizeof(told));
		return;
	}
}

static void finalize(const struct talk *t)
{
	call_begin(t, HSM_CALL_FINALIZE);
	const unsigned long rv = t->functions->C_Finalize(NULL);
	if (rv != CKR_OK)
		note(t, "C_Finalize answered %s", HSM_RV(rv));
}

int hsm_session_work(void *context, int tell, struct fault *f)
{
	static struct talk talk; /* a thousand slots are no matter for the stack */
	struct talk *t = &talk;

	t->session = context;
	if (!hsm_sender_start(&t->sender, tell, t->session->shared))
		return fault_system(f, errno, "the pipe is no pipe");
	if (!environment_enter(t) || !load(t) || !functions_get(t) || !initialize(t))
		goto done;
	if (slots_read(t)) {
		interfaces_read(t);
		key_read(t);
	}
	finalize(t);
done:
	hsm_send(&t->sender, HSM_MESSAGE_ALL, t->session->nonce, sizeof(t->session->nonce));
	return 0;
}

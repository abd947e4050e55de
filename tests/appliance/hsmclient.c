/*
 * hsmclient: stands where Oracle Key Vault's own program stands,
 * /usr/local/okv/hsm/bin/hsmclient, and reaches the HSM by OKV's rules alone.
 *
 * Promise: run as oracle, it reads okv_hsm.conf and okv_hsm_env, loads the PKCS#11 library they name, takes the
 * first slot that holds a token (or the one with the configured label), logs in with the credential of the
 * wallet, finds exactly one AES key labelled "OKV 18.1 HSM Root Key", and brings one block through AES-CBC-PAD and
 * back.  Every step goes to a new trace file under /var/okv/log/hsm; standard output gets one line.  0 means that
 * all of this happened; 1 that it did not, with the reason; 2 that it was called wrongly.
 *
 * It is the appliance's witness, so it shares nothing with the product: the PKCS#11 declarations below follow
 * the OASIS specification 2.40 as far as this program goes.  Needs libc and libdl only.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define GENERIC          "/usr/local/okv/hsm/generic/"
#define CREDENTIAL       "/usr/local/okv/hsm/wallet/credential"
#define TOKEN_LABEL_FILE "/usr/local/okv/hsm/wallet/token_label"
#define TRACE_DIR        "/var/okv/log/hsm"
#define KEY_LABEL        "OKV 18.1 HSM Root Key"
#define LINE_LIMIT       4096

/* --- PKCS#11, as much of it as is used here ------------------------------------------------------------------ */

typedef unsigned char ck_byte;
typedef unsigned long ck_ulong;
typedef ck_ulong ck_rv;

struct ck_version {
	ck_byte major, minor;
};
struct ck_info {
	struct ck_version cryptoki;
	ck_byte manufacturer[32];
	ck_ulong flags;
	ck_byte description[32];
	struct ck_version library;
};
struct ck_token_info {
	ck_byte label[32], manufacturer[32], model[16], serial[16];
	ck_ulong flags;
	ck_ulong max_sessions, sessions, max_rw_sessions, rw_sessions, max_pin, min_pin;
	ck_ulong total_public, free_public, total_private, free_private;
	struct ck_version hardware, firmware;
	ck_byte utc_time[16];
};
struct ck_attribute {
	ck_ulong type;
	void *value;
	ck_ulong length;
};
struct ck_mechanism {
	ck_ulong type;
	void *parameter;
	ck_ulong length;
};

enum {
	CKR_OK = 0,
	CKR_USER_ALREADY_LOGGED_IN = 0x100,
	CKF_TOKEN_INITIALIZED = 0x400,
	CKF_SERIAL_SESSION = 4,
	CKU_USER = 1,
	CKA_CLASS = 0,
	CKA_LABEL = 3,
	CKA_KEY_TYPE = 0x100,
	CKO_SECRET_KEY = 4,
	CKK_AES = 0x1f,
	CKM_AES_CBC_PAD = 0x1085,
};

/* Called by name rather than through C_GetFunctionList: a library that exports the names serves, and no
 * function table with its 68 entries has to be copied here. */
static struct {
	ck_rv (*initialize)(void *);
	ck_rv (*finalize)(void *);
	ck_rv (*get_info)(struct ck_info *);
	ck_rv (*get_slot_list)(ck_byte, ck_ulong *, ck_ulong *);
	ck_rv (*get_token_info)(ck_ulong, struct ck_token_info *);
	ck_rv (*open_session)(ck_ulong, ck_ulong, void *, void *, ck_ulong *);
	ck_rv (*login)(ck_ulong, ck_ulong, const ck_byte *, ck_ulong);
	ck_rv (*find_init)(ck_ulong, struct ck_attribute *, ck_ulong);
	ck_rv (*find)(ck_ulong, ck_ulong *, ck_ulong, ck_ulong *);
	ck_rv (*find_final)(ck_ulong);
	ck_rv (*random)(ck_ulong, ck_byte *, ck_ulong);
	ck_rv (*encrypt_init)(ck_ulong, struct ck_mechanism *, ck_ulong);
	ck_rv (*encrypt)(ck_ulong, const ck_byte *, ck_ulong, ck_byte *, ck_ulong *);
	ck_rv (*decrypt_init)(ck_ulong, struct ck_mechanism *, ck_ulong);
	ck_rv (*decrypt)(ck_ulong, const ck_byte *, ck_ulong, ck_byte *, ck_ulong *);
} p11;

static const struct {
	const char *name;
	void **function;
} p11_names[] = {
	{ "C_Initialize", (void **)&p11.initialize },
	{ "C_Finalize", (void **)&p11.finalize },
	{ "C_GetInfo", (void **)&p11.get_info },
	{ "C_GetSlotList", (void **)&p11.get_slot_list },
	{ "C_GetTokenInfo", (void **)&p11.get_token_info },
	{ "C_OpenSession", (void **)&p11.open_session },
	{ "C_Login", (void **)&p11.login },
	{ "C_FindObjectsInit", (void **)&p11.find_init },
	{ "C_FindObjects", (void **)&p11.find },
	{ "C_FindObjectsFinal", (void **)&p11.find_final },
	{ "C_GenerateRandom", (void **)&p11.random },
	{ "C_EncryptInit", (void **)&p11.encrypt_init },
	{ "C_Encrypt", (void **)&p11.encrypt },
	{ "C_DecryptInit", (void **)&p11.decrypt_init },
	{ "C_Decrypt", (void **)&p11.decrypt },
};

/* --- trace --------------------------------------------------------------------------------------------------- */

static int trace_fd = -1;

static void trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void trace(const char *format, ...)
{
	struct timespec now;
	struct tm local;
	char stamp[32], text[LINE_LIMIT + 256];
	va_list args;

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &local);
	strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", &local);
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	dprintf(trace_fd, "%s.%03ld: %s\n", stamp, now.tv_nsec / 1000000, text);
}

static void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void fail(const char *format, ...)
{
	char text[LINE_LIMIT];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (trace_fd >= 0)
		trace("ERROR: %s", text);
	fprintf(stderr, "%s\n", text);
	exit(1);
}

static void trace_open(const char *command)
{
	char path[256];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(path, sizeof path, TRACE_DIR "/hsmclient_%s_%lld_%09ld.trc", command, (long long)now.tv_sec,
		 now.tv_nsec);
	trace_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (trace_fd < 0)
		fail("cannot write a trace at %s: %s", path, strerror(errno));
	trace("Beginning trace for hsmclient %s", command);
}

/* What the library prints on standard output belongs into the trace. */
static int stdout_kept = -1;

static void stdout_capture(void)
{
	fflush(stdout);
	stdout_kept = dup(STDOUT_FILENO);
	if (stdout_kept < 0 || dup2(trace_fd, STDOUT_FILENO) < 0)
		fail("cannot capture standard output: %s", strerror(errno));
}

static void stdout_release(void)
{
	fflush(stdout);
	dup2(stdout_kept, STDOUT_FILENO);
	close(stdout_kept);
}

/* --- OKV's two files ----------------------------------------------------------------------------------------- */

/* NAME="VALUE": no '=' inside the name, the value between the first and the last double quote, nothing after it.
 * Cuts the line in place; 0 when it has this form. */
static int assignment_split(char *line, char **ret_name, char **ret_value)
{
	char *equals = strchr(line, '='), *end;

	if (equals == NULL || equals == line || equals[1] != '"')
		return -1;
	for (const char *c = line; c < equals; c++)
		if (*c == ' ' || *c == '\t' || *c == '"')
			return -1;
	end = strrchr(equals + 2, '"');
	if (end == NULL || end[1] != '\0')
		return -1;
	*equals = *end = '\0';
	*ret_name = line;
	*ret_value = equals + 2;
	return 0;
}

typedef void assignment_use(const char *name, const char *value, void *data);

/* Give every well formed line of a file to `use`; warn of the others by number, counted from 1. */
static void assignments_read(const char *path, assignment_use *use, void *data)
{
	FILE *f = fopen(path, "re");
	char *line = NULL, *name, *value;
	size_t room = 0;
	ssize_t length;

	if (f == NULL)
		fail("hsm_initialize: Could Not Open %s: %s", path, strerror(errno));
	trace("Loading %s", path);
	for (unsigned number = 1; (length = getline(&line, &room, f)) >= 0; number++) {
		int too_long = length > 0 && (size_t)length - (line[length - 1] == '\n') >= LINE_LIMIT;

		if (length > 0 && line[length - 1] == '\n')
			line[length - 1] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		if (too_long || assignment_split(line, &name, &value) < 0)
			trace("WARNING: skipping line %u with invalid formatting", number);
		else
			use(name, value, data);
	}
	free(line);
	fclose(f);
}

struct settings {
	char *vendor, *library, *preserved;
};

static void settings_take(const char *name, const char *value, void *data)
{
	struct settings *s = data;
	char **where = strcmp(name, "VENDOR_NAME") == 0       ? &s->vendor
		       : strcmp(name, "PKCS11_LIB_LOC") == 0  ? &s->library
		       : strcmp(name, "PRESERVED_FILES") == 0 ? &s->preserved
							      : NULL;

	if (where == NULL)
		return;
	free(*where);
	*where = strdup(value);
}

static void environment_set(const char *name, const char *value, void *data)
{
	(void)data;
	trace("Setting %s to %s", name, value);
	if (setenv(name, value, 1) < 0)
		fail("hsm_initialize: cannot set %s: %s", name, strerror(errno));
}

/* The first line of an oracle-only file, or NULL where there is no such file. */
static char *secret_read(const char *path)
{
	struct stat st;
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;
	ssize_t length;

	if (f == NULL)
		return NULL;
	if (fstat(fileno(f), &st) < 0 || st.st_uid != getuid() || (st.st_mode & 077) != 0)
		fail("hsm_initialize: %s is open to others", path);
	length = getline(&line, &room, f);
	fclose(f);
	if (length <= 0)
		return NULL;
	line[strcspn(line, "\n")] = '\0';
	return line;
}

/* --- the HSM ------------------------------------------------------------------------------------------------- */

static void must(const char *function, ck_rv rv)
{
	if (rv != CKR_OK)
		fail("hsm_initialize: %s failed: 0x%08lx", function, rv);
}

static void library_load(const char *path)
{
	void *library;

	trace("Loading PKCS11 library: %s", path);
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		fail("hsm_initialize: Could Not Load PKCS#11 Library: %s", dlerror());
	for (size_t i = 0; i < sizeof p11_names / sizeof p11_names[0]; i++) {
		*p11_names[i].function = dlsym(library, p11_names[i].name);
		if (*p11_names[i].function == NULL)
			fail("hsm_initialize: Could Not Load PKCS#11 Library: no %s in %s", p11_names[i].name, path);
	}
}

static int padded_equals(const ck_byte *field, size_t size, const char *text)
{
	size_t length = strlen(text);

	if (length > size || memcmp(field, text, length) != 0)
		return 0;
	while (length < size)
		if (field[length++] != ' ')
			return 0;
	return 1;
}

static ck_ulong slot_choose(const char *label)
{
	ck_ulong slots[64], count = 64;
	struct ck_token_info token;

	must("C_GetSlotList", p11.get_slot_list(1, slots, &count));
	trace("%lu slots with a token", count);
	if (label == NULL)
		trace("Not using token label to choose slot, defaulting to first in slot list");
	for (ck_ulong i = 0; i < count; i++) {
		if (p11.get_token_info(slots[i], &token) != CKR_OK)
			continue;
		if (label != NULL && !padded_equals(token.label, sizeof token.label, label))
			continue;
		if (!(token.flags & CKF_TOKEN_INITIALIZED)) {
			trace("Token in slot %lu is not initialized", slots[i]);
			if (label == NULL)
				break;
			continue;
		}
		trace("Using slot %lu, token '%.32s', serial '%.16s'", slots[i], token.label, token.serial);
		return slots[i];
	}
	fail("hsm_initialize: Could Not Get Slot for HSM");
}

static ck_ulong key_find(ck_ulong session)
{
	ck_ulong class = CKO_SECRET_KEY, type = CKK_AES, keys[3], count = 0;
	struct ck_attribute wanted[] = {
		{ CKA_CLASS, &class, sizeof class },
		{ CKA_KEY_TYPE, &type, sizeof type },
		{ CKA_LABEL, (void *)(size_t)KEY_LABEL, sizeof KEY_LABEL - 1 },
	};

	must("C_FindObjectsInit", p11.find_init(session, wanted, 3));
	must("C_FindObjects", p11.find(session, keys, 3, &count));
	must("C_FindObjectsFinal", p11.find_final(session));
	trace("Retrieved %lu keys", count);
	if (count != 1)
		fail("hsm_initialize: Expected One Key '%s', found %lu", KEY_LABEL, count);
	return keys[0];
}

static void round_trip(ck_ulong session, ck_ulong key)
{
	static const char secret[] = "the wallet password of this node";
	ck_byte iv[16], sealed[sizeof secret + 32], opened[sizeof secret + 32];
	struct ck_mechanism mechanism = { CKM_AES_CBC_PAD, iv, sizeof iv };
	ck_ulong sealed_length = sizeof sealed, opened_length = sizeof opened;

	must("C_GenerateRandom", p11.random(session, iv, sizeof iv));
	must("C_EncryptInit", p11.encrypt_init(session, &mechanism, key));
	must("C_Encrypt", p11.encrypt(session, (const ck_byte *)secret, sizeof secret, sealed, &sealed_length));
	must("C_DecryptInit", p11.decrypt_init(session, &mechanism, key));
	must("C_Decrypt", p11.decrypt(session, sealed, sealed_length, opened, &opened_length));
	if (opened_length != sizeof secret || memcmp(opened, secret, sizeof secret) != 0)
		fail("hsm_initialize: HSM gave back other bytes than it got");
	if (sealed_length < sizeof secret || memmem(sealed, sealed_length, secret, sizeof secret) != NULL)
		fail("hsm_initialize: HSM did not encrypt");
	trace("HSM configuration verified");
}

static void use_hsm(const char *command)
{
	struct settings settings = { NULL, NULL, NULL };
	struct ck_info info;
	ck_ulong session;
	char *label, *pin;
	ck_rv rv;

	trace_open(command);
	assignments_read(GENERIC "okv_hsm.conf", settings_take, &settings);
	if (settings.vendor == NULL || settings.library == NULL || settings.preserved == NULL)
		fail("hsm_initialize: HSM configuration error: VENDOR_NAME, PKCS11_LIB_LOC and PRESERVED_FILES are "
		     "required");
	assignments_read(GENERIC "okv_hsm_env", environment_set, NULL);
	pin = secret_read(CREDENTIAL);
	if (pin == NULL)
		fail("hsm_initialize: no HSM credential in the wallet");
	label = secret_read(TOKEN_LABEL_FILE);

	stdout_capture();
	library_load(settings.library);
	must("C_Initialize", p11.initialize(NULL));
	must("C_GetInfo", p11.get_info(&info));
	trace("HSM library '%.32s' by '%.32s'", info.description, info.manufacturer);
	must("C_OpenSession", p11.open_session(slot_choose(label), CKF_SERIAL_SESSION, NULL, NULL, &session));
	rv = p11.login(session, CKU_USER, (const ck_byte *)pin, strlen(pin));
	if (rv != CKR_USER_ALREADY_LOGGED_IN)
		must("C_Login", rv);
	round_trip(session, key_find(session));
	p11.finalize(NULL);
	stdout_release();
	trace("Finished successfully");

	printf("hsmclient %s: vendor %s, root key found, round trip good\n", command, settings.vendor);
	free(settings.vendor);
	free(settings.library);
	free(settings.preserved);
	free(label);
	free(pin);
}

int main(int argc, char **argv)
{
	const struct passwd *me = getpwuid(getuid());

	if (argc != 2 || (strcmp(argv[1], "open_wallet") != 0 && strcmp(argv[1], "pre_restore") != 0)) {
		fputs("usage: hsmclient open_wallet|pre_restore\n", stderr);
		return 2;
	}
	if (me == NULL || strcmp(me->pw_name, "oracle") != 0)
		fail("hsmclient: to be run as oracle");
	umask(077);
	use_hsm(argv[1]);
	return fflush(stdout) == 0 ? 0 : 1;
}

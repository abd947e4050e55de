#include "hsm/uri.h"

#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/text.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int decode(const char *at, size_t length, char **ret_value, struct fault *f)
{
	TEXT_AUTO value = { 0 };

	text_add(&value, "", 0);
	for (size_t i = 0; i < length; i++) {
		if (at[i] != '%') {
			text_add_char(&value, at[i]);
			continue;
		}
		const int high = i + 2 < length ? hex_digit(at[i + 1]) : -1;
		const int low = i + 2 < length ? hex_digit(at[i + 2]) : -1;
		if (high < 0 || low < 0)
			return fault_usage(f, "'%s' in the URI has a '%%' without two hexadecimal digits",
					   SHOWN_BYTES(at, length));
		if (high == 0 && low == 0)
			return fault_usage(f, "'%s' in the URI holds a NUL byte", SHOWN_BYTES(at, length));
		text_add_char(&value, (char)(high * 16 + low));
		i += 2;
	}
	if (text_check(&value, f) < 0)
		return -1;
	*ret_value = strdup(text_string(&value));
	return *ret_value == NULL ? fault_memory(f) : 0;
}

struct attribute {
	const char *name;
	char **value;
};

/* "name=value" into the member that has the name. */
static int attribute_read(const struct attribute *known, size_t count, const char *at, size_t length, struct fault *f)
{
	const char *equals = memchr(at, '=', length);

	if (equals == NULL)
		return fault_usage(f, "'%s' in the URI is no NAME=VALUE", SHOWN_BYTES(at, length));
	const size_t name_length = (size_t)(equals - at);
	for (size_t i = 0; i < count; i++) {
		if (!text_equal(at, name_length, known[i].name))
			continue;
		if (*known[i].value != NULL)
			return fault_usage(f, "the URI names '%s' twice", known[i].name);
		return decode(equals + 1, length - name_length - 1, known[i].value, f);
	}
	return fault_usage(f, "the URI's attribute '%s' is not understood here", SHOWN_BYTES(at, name_length));
}

/* The pieces between the separators. */
static int attributes_read(const struct attribute *known, size_t count, const char *at, size_t length, char separator,
			   struct fault *f)
{
	while (length > 0) {
		const char *end = memchr(at, separator, length);
		const size_t step = end != NULL ? (size_t)(end - at) : length;
		if (attribute_read(known, count, at, step, f) < 0)
			return -1;
		at += step + (end != NULL);
		length -= step + (end != NULL);
	}
	return 0;
}

void hsm_uri_done(struct hsm_uri *uri)
{
	free(uri->token);
	free(uri->serial);
	free(uri->model);
	free(uri->manufacturer);
	free(uri->object);
	free(uri->pin_source);
	free(uri->module_path);
	*uri = (struct hsm_uri){ 0 };
}

/* What is read, and whether it makes sense together. */
static int uri_read(const char *path, struct hsm_uri *uri, char **slot, char **type, char **pin_value, struct fault *f)
{
	const struct attribute in_path[] = {
		{ "token", &uri->token },   { "serial", &uri->serial }, { "model", &uri->model },
		{ "object", &uri->object }, { "slot-id", slot },        { "manufacturer", &uri->manufacturer },
		{ "type", type },
	};
	const struct attribute in_query[] = {
		{ "pin-source", &uri->pin_source },
		{ "pin-value", pin_value },
		{ "module-path", &uri->module_path },
	};
	const size_t length = strcspn(path, "?");
	const char *query = path[length] == '?' ? path + length + 1 : "";

	if (attributes_read(in_path, sizeof(in_path) / sizeof(in_path[0]), path, length, ';', f) < 0 ||
	    attributes_read(in_query, sizeof(in_query) / sizeof(in_query[0]), query, strlen(query), '&', f) < 0)
		return -1;
	if (*pin_value != NULL)
		return fault_usage(f, "pin-value is not read from a URI; use --pin-file, --pin-fd or pin-source");
	if (*type != NULL && strcmp(*type, "secret-key") != 0)
		return fault_usage(f, "the URI asks for type '%s', and OKV's key is a secret-key", SHOWN(*type));
	if (*slot != NULL) {
		uri->slot_id_set = true;
		return number_parse(*slot, "slot-id", 0, UINT64_MAX, &uri->slot_id, f);
	}
	return 0;
}

int hsm_uri_parse(const char *string, struct hsm_uri *ret_uri, struct fault *f)
{
	HSM_URI_AUTO uri = { 0 };
	char *slot = NULL, *type = NULL, *pin_value = NULL;

	if (!text_starts(string, "pkcs11:"))
		return fault_usage(f, "'%s' is no PKCS#11 URI; it begins with 'pkcs11:'", SHOWN(string));
	const int r = uri_read(string + strlen("pkcs11:"), &uri, &slot, &type, &pin_value, f);
	if (pin_value != NULL)
		text_wipe(pin_value, strlen(pin_value));
	free(slot);
	free(type);
	free(pin_value);
	if (r < 0)
		return -1;
	*ret_uri = uri;
	uri = (struct hsm_uri){ 0 };
	return 0;
}

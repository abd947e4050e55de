/* hsm/uri with any string: refused as wrong use, or taken apart into strings without a NUL of their own. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hsm/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	HSM_URI_AUTO uri = { 0 };
	struct fault f = { 0 };
	char *string = malloc(size + sizeof("pkcs11:"));

	if (string == NULL)
		abort();
	memcpy(string, "pkcs11:", 7);
	memcpy(string + 7, data, size);
	string[size + 7] = '\0';
	const int r = hsm_uri_parse(string, &uri, &f);
	/* slot-id is a number, whose fault has its own kind. */
	if (r < 0 && f.kind != FAULT_USAGE && f.kind != FAULT_REFUSED)
		abort();
	if (r == 0 && uri.token != NULL && strlen(uri.token) > strlen(string))
		abort();
	free(string);
	return 0;
}

#include "bundle/base64.h"

#include <string.h>

#include "fs/libcrypto.h"

static int (*encode)(unsigned char *, const unsigned char *, int);
static int (*decode)(unsigned char *, const unsigned char *, int);

int bundle_base64_find(struct fault *f)
{
	if (fs_libcrypto_find("EVP_EncodeBlock", &encode) && fs_libcrypto_find("EVP_DecodeBlock", &decode))
		return 0;
	return fault_absent(f, "nothing can be sealed or opened without libcrypto; install the package 'openssl-libs'");
}

void bundle_base64_encode(const unsigned char *bytes, size_t length, char *ret_string)
{
	(void)encode((unsigned char *)ret_string, bytes, (int)length);
}

int bundle_base64_decode(const char *string, unsigned char *ret_bytes)
{
	return decode(ret_bytes, (const unsigned char *)string, (int)strlen(string));
}

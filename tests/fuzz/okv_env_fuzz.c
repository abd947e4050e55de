/* okv_hsm_env with any bytes: kept, wired, unwired, mended. */
#include <stdint.h>

#include "wiring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	wiring_check(WIRING_ENV, data, size);
	return 0;
}

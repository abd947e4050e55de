/* hsm/elf with any bytes as a file: refused, or read; never a fault of ours, never a string beyond the table. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/handle.h"
#include "hsm/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	HSM_ELF_AUTO elf = { 0 };
	struct fault f = { 0 };

	if (fd < 0)
		fd = (int)syscall(SYS_memfd_create, "elf", 0U);
	if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	if (hsm_elf_read(fd, "it", "C_GetFunctionList", &elf, &f) < 0) {
		if (f.kind != FAULT_REFUSED)
			abort();
		return 0;
	}
	size_t length = 0;
	for (size_t i = 0; i < elf.needed_count; i++)
		length += strlen(elf.needed[i]);
	length += elf.soname != NULL ? strlen(elf.soname) : 0;
	length += elf.runpath != NULL ? strlen(elf.runpath) : 0;
	return length == SIZE_MAX ? 1 : 0;
}

#include "okv/library.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "conf/assign.h"
#include "conf/elf.h"
#include "fs/read.h"
#include "fs/root.h"

void okv_library_flaw_add(int root, const char *path, struct text *out)
{
	FS_PLACE_AUTO place = FS_PLACE_INIT;
	FS_AUTO int fd = -1;
	struct fault why = { 0 };
	char bytes[ELF_HEADERS_SIZE];
	struct stat status;

	if (fs_place_find(root, path, &place, &why) < 0 ||
	    fs_name_open(FS_PLACE_NAME(&place), O_RDONLY, &fd, &status, &why) < 0) {
		if (why.kind == FAULT_ABSENT && place.links != NULL)
			text_add_format(out, "leads to '%s', which is not there", SHOWN(place.path));
		else if (why.kind == FAULT_ABSENT)
			text_add_string(out, "is not there");
		else
			text_add_format(out, "cannot be used: %s", why.text);
		return;
	}
	const ssize_t got = pread(fd, bytes, sizeof(bytes), 0);
	if (got < 0)
		text_add_format(out, "cannot be read: %s", fault_errno_text(errno));
	else
		elf_flaw_add(bytes, (size_t)got, (uint64_t)status.st_size, out);
}

/*
 * Is it certain that nothing is there?  The loader follows names that we do not (dots, a link that a user other than
 * root made, a bare file name); such a name may work.
 */
static bool is_gone(int root, const char *path)
{
	FS_PLACE_AUTO place = FS_PLACE_INIT;
	struct fault why = { 0 };

	if (strchr(path, '/') == NULL)
		return false;
	return fs_place_find(root, path, &place, &why) < 0 ? why.kind == FAULT_ABSENT : !fs_exists(root, place.path);
}

/* Do both paths resolve to the same file? */
static bool same_place(int root, const char *a, const char *b)
{
	FS_PLACE_AUTO one = FS_PLACE_INIT;
	FS_PLACE_AUTO other = FS_PLACE_INIT;
	struct fault ignored = { 0 };

	return strcmp(a, b) == 0 ||
	       (fs_place_find(root, a, &one, &ignored) == 0 && fs_place_find(root, b, &other, &ignored) == 0 &&
		strcmp(one.path, other.path) == 0);
}

int okv_vendor_find(const struct okv_job *job, bool *ret_other, struct fault *f)
{
	ASSIGN_AUTO a = { 0 };
	struct fault cause = { 0 };

	if (okv_lines_read(job->root, OKV_CONF, &a, &cause) < 0 && fs_absence(&cause, f) < 0)
		return -1;
	const char *vendor = assign_value(&a, "VENDOR_NAME"), *library = assign_value(&a, "PKCS11_LIB_LOC");
	/* Without a VENDOR_NAME the library's file name decides. */
	const char *name = library != NULL ? text_leaf(library) : "";
	const bool named = vendor != NULL && vendor[0] != '\0' && strcmp(vendor, job->settings->vendor_name) != 0;
	*ret_other = name[0] != '\0' &&
		     (named || (!text_starts(name, "libCryptoki2") && !text_starts(name, "libcklog2"))) &&
		     !is_gone(job->root, library) && !same_place(job->root, library, job->settings->pkcs11_lib);
	return 0;
}

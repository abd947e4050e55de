#include "okv/library.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "conf/assign.h"
#include "fs/read.h"
#include "fs/root.h"

bool okv_library_is_there(int root, const char *path)
{
	FS_PLACE_AUTO place = FS_PLACE_INIT;
	FS_AUTO int fd = -1;
	struct fault ignored = { 0 };
	char head[4];

	return fs_place_find(root, path, &place, &ignored) == 0 &&
	       fs_name_open(FS_PLACE_NAME(&place), O_RDONLY, &fd, NULL, &ignored) == 0 &&
	       read(fd, head, sizeof(head)) == (ssize_t)sizeof(head) && memcmp(head, "\177ELF", sizeof(head)) == 0;
}

/*
 * Is it certain that OKV finds no library there?  The loader follows names that we do not (dots, a link that a user
 * other than root made, a bare file name); such a name may work.
 */
static bool library_is_missing(int root, const char *path)
{
	FS_PLACE_AUTO place = FS_PLACE_INIT;
	struct fault why = { 0 };

	if (path[0] == '/' && fs_place_find(root, path, &place, &why) < 0)
		return why.kind == FAULT_ABSENT;
	return strchr(path, '/') != NULL && !okv_library_is_there(root, path);
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
	*ret_other =
		name[0] != '\0' && (named || (!text_starts(name, "libCryptoki2") && !text_starts(name, "libcklog2"))) &&
		!library_is_missing(job->root, library) && !same_place(job->root, library, job->settings->pkcs11_lib);
	return 0;
}

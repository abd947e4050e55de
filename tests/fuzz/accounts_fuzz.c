/* conf/accounts with any bytes as passwd(5) and group(5): no crash, and answers that agree with each other. */
#include <stdint.h>
#include <stdlib.h>

#include "conf/accounts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
	if (!held)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TEXT_AUTO file = { 0 };
	struct accounts_user user;
	gid_t gid, few[2], many[64];

	text_add(&file, data, size);
	if (accounts_user_find(&file, "oracle", &user)) {
		TEXT_AUTO name = { 0 };
		/* Somebody bears that id, if not the same one. */
		must(accounts_user_name(&file, user.uid, &name) && name.length > 0);
		must(accounts_primary_uses(&file, user.gid));
	}
	if (accounts_group_find(&file, "hsmusers", &gid)) {
		TEXT_AUTO name = { 0 };
		must(accounts_group_name(&file, gid, &name) && name.length > 0);
	}
	TEXT_AUTO members = { 0 };
	accounts_group_members(&file, "hsmusers", &members);
	must(members.length <= size);
	(void)accounts_group_lists(&file, "hsmusers", "oracle");

	const size_t count = accounts_groups_of(&file, "oracle", 100, many, 64);
	must(count >= 1 && many[0] == 100);
	for (size_t i = 1; i < count && i < 64; i++)
		for (size_t k = 0; k < i; k++)
			must(many[i] != many[k]);
	must(accounts_groups_of(&file, "oracle", 100, few, 2) >= (count < 2 ? count : 2));
	return 0;
}

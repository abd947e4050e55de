/*
 * tests/doubles/tables: no usable function list: -DTABLE=...
 */
#define C_GetFunctionList honest_function_list
#include "honest.h"
#undef C_GetFunctionList

EXPORT unsigned long C_GetFunctionList(struct cryptoki_functions **list);

static inline unsigned long nothing(struct cryptoki_functions **list)
{
	(void)list;
	return CKR_OK;
}

static inline unsigned long holes(struct cryptoki_functions **list)
{
	functions.C_GetSlotList = NULL;
	*list = &functions;
	return CKR_OK;
}

static inline unsigned long future(struct cryptoki_functions **list)
{
	functions.version = (struct cryptoki_version){ 9, 9 };
	*list = &functions;
	return CKR_OK;
}

static inline unsigned long wild(struct cryptoki_functions **list)
{
	*list = (struct cryptoki_functions *)16;
	return CKR_OK;
}

EXPORT unsigned long C_GetFunctionList(struct cryptoki_functions **list)
{
	return TABLE(list);
}

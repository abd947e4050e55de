/*
 * tests/doubles/honest: the module as it should be; -D changes its data (SLOT_COUNT, TOKEN_FLAGS, ...).
 */
#include "honest.h"

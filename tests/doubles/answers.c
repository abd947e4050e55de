/*
 * tests/doubles/answers: honest but for one answer: -DCALL="C_Initialize" -DRV=0x5; or for that of C_OpenSession on
 * some of its slots: -DSLOT_ANSWER(slot)=0x30.
 */
#ifdef SLOT_ANSWER
#define CALL ""
#define RV   0
#endif
#define ANSWER(call) (strcmp(call, CALL) == 0 ? (unsigned long)(RV) : CKR_OK)
#include "honest.h"

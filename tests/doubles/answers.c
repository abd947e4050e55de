/*
 * tests/doubles/answers: honest but for one answer: -DCALL="C_Initialize" -DRV=0x5.
 */
#define ANSWER(call) (strcmp(call, CALL) == 0 ? (unsigned long)(RV) : CKR_OK)
#include "honest.h"

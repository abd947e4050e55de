/*
 * tests/doubles/nolist: a shared library of another trade.
 */
int answer(void);
int answer(void)
{
	return 42;
}

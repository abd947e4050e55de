/*
 * tests/doubles/program: a program where a library should be.
 */
int C_GetFunctionList(void);
int C_GetFunctionList(void)
{
	return 0;
}

int main(void)
{
	return C_GetFunctionList();
}

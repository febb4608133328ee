#include "check.h"
int main() { return check_result(); }

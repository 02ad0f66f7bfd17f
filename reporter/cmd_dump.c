int cmd_dump(int c, char **a);
int cmd_dump(int c, char **a) {
    (void)c;
    (void)a;
    return 3;
}

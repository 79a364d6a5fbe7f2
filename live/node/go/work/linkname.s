// A package with a file in assembler may declare functions without a body (clock.go).

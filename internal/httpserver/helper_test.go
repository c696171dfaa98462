package httpserver

func helperMain() bool { return false }

module kubernetes

go 1.19

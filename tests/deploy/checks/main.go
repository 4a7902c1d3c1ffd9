// Checks of what deploy/ holds, by the libraries of those who read it: Docker Compose, Helm and Kubernetes, Grafana.
//
//	checks compose FILE          loads it as `docker compose config` does; prints the project
//	checks chart DIR [VALUES]... lints and renders it as `helm template` does, and decodes every manifest strictly; prints them
//	checks dashboard FILE...     reads each strictly into Grafana's dashboard model
//
// Says what is wrong on stderr, a line each, and ends with 1.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: checks compose FILE | chart DIR [VALUES]... | dashboard FILE...")
		os.Exit(2)
	}
	check, known := map[string]func([]string) error{
		"compose": compose, "chart": chart, "dashboard": dashboards,
	}[os.Args[1]]
	if !known {
		fmt.Fprintf(os.Stderr, "no check is called %q\n", os.Args[1])
		os.Exit(2)
	}
	if err := check(os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

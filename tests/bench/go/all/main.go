// Program all is grpc-gateway and the Go service in one process, without a socket between them.
package main

import (
	"context"
	"log"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"

	benchv1 "bench/gen/bench/v1"
	"bench/service"
)

func main() {
	bench, err := service.New()
	if err != nil {
		log.Fatal(err)
	}
	mux := runtime.NewServeMux()
	if err := benchv1.RegisterBenchServiceHandlerServer(context.Background(), mux, bench); err != nil {
		log.Fatal(err)
	}
	log.Fatal(service.Serve(mux))
}

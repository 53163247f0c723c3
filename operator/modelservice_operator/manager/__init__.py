"""Process lifetime: wiring, supervision, leader election and kopf, which only this package and `cli.run` import."""

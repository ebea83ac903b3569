"""Counts the words of a Kafka topic and writes the counts to another: count.py BOOTSTRAP FROM TO."""

import sys

from pyspark.sql import SparkSession
from pyspark.sql.functions import col, explode, split

bootstrap, source, target = sys.argv[1:]
spark = SparkSession.builder.appName("count").getOrCreate()
spark.sparkContext.setLogLevel("WARN")
lines = (
    spark.read.format("kafka")
    .option("kafka.bootstrap.servers", bootstrap)
    .option("subscribe", source)
    .option("startingOffsets", "earliest")
    .load()
)
words = lines.select(explode(split(col("value").cast("string"), r"\s+")).alias("key")).where("key != ''")
counts = words.groupBy("key").count().select("key", col("count").cast("string").alias("value"))
counts.write.format("kafka").option("kafka.bootstrap.servers", bootstrap).option("topic", target).save()
spark.stop()

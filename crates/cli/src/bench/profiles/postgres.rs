//! The same deliveries over the embedded store and over PostgreSQL on this machine, in turn.

use anyhow::Context;
use futures_util::FutureExt as _;

use crate::bench::{
    aim::{Aim, Bound},
    child::{Server, Wanted},
    course::{count, delivered, what},
    figure,
    load::Load,
    postgres::Postgres,
    process_figures::cpu_seconds,
    profile::{Plan, Profile},
    progress::Progress,
    reading::Reading,
    scene::Course,
    sink::{Manner, Sink},
};

/// See the module.
pub(crate) static PROFILE: Profile = Profile {
    name: "postgres",
    about: "Deliveries over PostgreSQL (started for it) beside the embedded store: processor time and statements",
    rounds: 5,
    in_flight: 64,
    aims: &[
        Aim::of("PostgreSQL", &figure::CPU_OF_EMBEDDED, Bound::AtMost(1.5)),
        Aim::of("PostgreSQL", &figure::STATEMENTS_PER_DELIVERY, Bound::AtMost(0.2)),
    ],
    run: |plan, progress| run(plan, progress).boxed(),
};

const EMBEDDED: Course = Course::new("embedded");
const ON_POSTGRES: Course = Course::new("PostgreSQL");

async fn run(plan: Plan, progress: Progress) -> anyhow::Result<Vec<Reading>> {
    let database = Postgres::start().await?;
    let mut readings = Vec::new();
    for round in 1..=plan.rounds {
        let course = |of: Course| Course { events: plan.events_or(of.events), bytes: plan.bytes_or(of.bytes), ..of };
        let (embedded, on_postgres) = (course(EMBEDDED), course(ON_POSTGRES));
        progress.stage(format!("{}, round {round} of {}", embedded.name, plan.rounds), embedded.deliveries());
        let beside = measured(&embedded, plan.in_flight, None).await?;
        progress.stage(format!("{}, round {round} of {}", on_postgres.name, plan.rounds), on_postgres.deliveries());
        let name = format!("round_{round}");
        database.create_database(&name).await?;
        let reading = measured(&on_postgres, plan.in_flight, Some((&database, &name))).await?;
        let of_embedded = reading.value(&figure::CPU_PER_1000).zip(beside.value(&figure::CPU_PER_1000));
        let (here, there) = of_embedded.context("the processor time was not measured")?;
        readings.push(beside);
        readings.push(reading.with(&figure::CPU_OF_EMBEDDED, here / there));
    }
    database.stop().await?;
    Ok(readings)
}

/// One run with a fresh server over one of the two.
async fn measured(course: &Course, in_flight: usize, database: Option<(&Postgres, &str)>) -> anyhow::Result<Reading> {
    let folder = tempfile::tempdir().context("a folder for the server's data")?;
    let sink = Sink::start(Manner::Prompt)?;
    let url = database.map(|(server, name)| server.url(name));
    let further: Vec<&str> = url.iter().flat_map(|url| ["--database-url", url.as_str()]).collect();
    let server = Server::start(&folder.path().join("data"), &further).await?;
    server.make_keys(course.keys).await?;
    server.subscribe(&Wanted::new("bench", format!("http://{}/s", sink.address))).await?;
    let load = Load::new(server.api.clone(), server.events_path(), course.bytes);
    let warm = (course.events / 10).max(64);
    delivered(&load, &sink, 0..warm, in_flight, course.fan_out).await?;
    sink.clear();

    let pid = server.pid()?;
    let statements = async || match database {
        Some((server, name)) => server.statements(name).await.map(Some),
        None => Ok(None),
    };
    let (statements_before, cpu_before, began) = (statements().await?, cpu_seconds(pid)?, std::time::Instant::now());
    delivered(&load, &sink, warm..warm + course.events, in_flight, course.fan_out).await?;
    let took = began.elapsed();
    let cpu = cpu_seconds(pid)? - cpu_before;
    let statements = statements().await?.zip(statements_before).map(|(after, before)| after.saturating_sub(before));
    server.stop().await?;

    let deliveries = count(course.deliveries());
    let reading = Reading::of(course.name, what(course, in_flight))
        .with(&figure::DELIVERIES_PER_SECOND, deliveries / took.as_secs_f64())
        .with(&figure::CPU_PER_1000, cpu / deliveries * 1_000.0);
    Ok(match statements {
        Some(statements) => reading.with(&figure::STATEMENTS_PER_DELIVERY, count(statements) / deliveries),
        None => reading,
    })
}

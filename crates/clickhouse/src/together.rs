//! Questions about tables that are asked at the same time go to the server as one: what it says of twenty tables takes it
//! hardly longer than what it says of one (ADR 17). While one statement is under way, those who ask meanwhile gather for
//! the next; nobody waits for others to come. Tables about which a statement failed are asked about one by one, until an answer
//! comes: one that is locked, or has too long a definition, does not keep the others from theirs.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::client::Client;
use crate::error::ClickHouseError;
use crate::facts::Facts;
use crate::inspect::Column;
use crate::quote;
use crate::table_name::TableName;

/// Of so many tables with a thousand columns each, an answer is still far from the longest one that is read.
const TABLES_MAX: usize = 20;

/// Tables of one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tables {
    database: String,
    names: Vec<String>,
}

impl Tables {
    /// The condition that picks them in `system.tables`, `system.columns` and the like.
    pub(crate) fn condition(&self) -> String {
        let names: Vec<String> = self.names.iter().map(|name| quote::string(name)).collect();
        format!("database = {} AND table IN ({})", quote::string(&self.database), names.join(", "))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }
}

/// What was found, by the table's name.
pub(crate) type Found<T> = Result<BTreeMap<String, T>, ClickHouseError>;

/// One kind of question.
#[derive(Debug)]
pub(crate) struct Together<T> {
    waiting: Mutex<Vec<Arc<Waiting<T>>>>,
    /// Whose turn it is asks for all who wait.
    turn: tokio::sync::Mutex<()>,
    /// Of these nothing has been answered since a statement about them and others failed.
    alone: Mutex<BTreeSet<TableName>>,
}

/// The questions that are asked so.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    pub(crate) facts: Together<Facts>,
    /// Why rows may have been deleted.
    pub(crate) deletes: Together<String>,
    pub(crate) columns: Together<Vec<Column>>,
}

#[derive(Debug)]
struct Waiting<T> {
    table: TableName,
    answer: OnceLock<Result<Option<T>, ClickHouseError>>,
}

impl<T> Default for Together<T> {
    fn default() -> Together<T> {
        Together { waiting: Mutex::default(), turn: tokio::sync::Mutex::default(), alone: Mutex::default() }
    }
}

/// Takes a question back that was answered, or that nobody waits for any more.
struct Asked<'a, T> {
    among: &'a Together<T>,
    mine: Arc<Waiting<T>>,
}

impl<T> Drop for Asked<'_, T> {
    fn drop(&mut self) {
        self.among.waiting().retain(|one| !Arc::ptr_eq(one, &self.mine));
    }
}

impl<T> Together<T> {
    fn waiting(&self) -> MutexGuard<'_, Vec<Arc<Waiting<T>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alone(&self) -> MutexGuard<'_, BTreeSet<TableName>> {
        self.alone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask_for(&self, table: &TableName) -> Asked<'_, T> {
        let mine = Arc::new(Waiting { table: table.clone(), answer: OnceLock::new() });
        self.waiting().push(Arc::clone(&mine));
        Asked { among: self, mine }
    }

    /// `mine`, and others of its database that have no answer yet.
    fn batch_with(&self, mine: &Arc<Waiting<T>>) -> Vec<Arc<Waiting<T>>> {
        let (waiting, alone) = (self.waiting(), self.alone());
        let others = waiting.iter().filter(|one| {
            !Arc::ptr_eq(one, mine)
                && one.table.database == mine.table.database
                && one.answer.get().is_none()
                && !alone.contains(&one.table)
        });
        std::iter::once(mine).chain(others.take(TABLES_MAX - 1)).cloned().collect()
    }
}

impl<T: Clone> Together<T> {
    /// What `read` finds of `table`, read after this call began; `None`: nothing. Whoever asks passes the same `read`.
    /// Errors: those of `read`. One that asking again later does not cure is nobody else's.
    pub(crate) async fn ask<F: Future<Output = Found<T>>>(
        &self,
        table: &TableName,
        read: impl Fn(Tables) -> F,
    ) -> Result<Option<T>, ClickHouseError> {
        let asked = self.ask_for(table);
        // Whoever asks in the same moment is let in.
        tokio::task::yield_now().await;
        if !self.alone().contains(table) {
            let _turn = self.turn.lock().await;
            if let Some(answer) = asked.mine.answer.get() {
                return answer.clone();
            }
            // It may have come to that while others had their turns.
            if !self.alone().contains(table)
                && let Some(answer) = self.ask_with_others(&asked.mine, &read).await
            {
                return answer;
            }
        }
        let mut found = read(tables(&[Arc::clone(&asked.mine)])).await?;
        self.alone().remove(table);
        Ok(found.remove(&table.table))
    }

    /// `None`: each is to ask for itself. Whoever is dropped in here leaves the others waiting, and one of them has its
    /// turn then.
    async fn ask_with_others<F: Future<Output = Found<T>>>(
        &self,
        mine: &Arc<Waiting<T>>,
        read: &impl Fn(Tables) -> F,
    ) -> Option<Result<Option<T>, ClickHouseError>> {
        let batch = self.batch_with(mine);
        let found = read(tables(&batch)).await;
        if let Err(error) = &found
            && batch.len() > 1
        {
            self.alone().extend(batch.iter().map(|one| one.table.clone()));
            if !error.is_transient() {
                return None;
            }
        }
        let answer_of = |table: &TableName| match &found {
            Ok(found) => Ok(found.get(&table.table).cloned()),
            Err(error) => Err(error.clone()),
        };
        for other in &batch[1..] {
            // Only whose turn it is answers.
            let _ = other.answer.set(answer_of(&other.table));
        }
        Some(answer_of(&mine.table))
    }
}

/// Shape: at least one, all of one database.
fn tables<T>(batch: &[Arc<Waiting<T>>]) -> Tables {
    let names = batch.iter().map(|one| one.table.table.clone()).collect();
    Tables { database: batch[0].table.database.clone(), names }
}

impl Client {
    /// The same client, which asks by itself: for another host, or after other names.
    pub(crate) fn asking_alone(self) -> Client {
        Client { questions: Arc::default(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::JoinHandle;

    use super::*;

    fn table(name: &str) -> TableName {
        let (database, table) = name.split_once('.').expect("a name is database.table");
        TableName { database: database.to_owned(), table: table.to_owned() }
    }

    /// Finds of each table its own name, and keeps what it was asked for.
    struct Server {
        asked: Mutex<Vec<Tables>>,
        answer_ms: u64,
        fails: fn(&Tables) -> Option<ClickHouseError>,
    }

    impl Server {
        fn new(answer_ms: u64, fails: fn(&Tables) -> Option<ClickHouseError>) -> Arc<Server> {
            Arc::new(Server { asked: Mutex::default(), answer_ms, fails })
        }

        async fn read(self: Arc<Server>, tables: Tables) -> Found<String> {
            self.asked.lock().unwrap().push(tables.clone());
            tokio::time::sleep(Duration::from_millis(self.answer_ms)).await;
            match (self.fails)(&tables) {
                Some(error) => Err(error),
                None => Ok(tables
                    .names
                    .into_iter()
                    .filter(|name| name != "none")
                    .map(|name| (name.clone(), name))
                    .collect()),
            }
        }

        fn asked(&self) -> Vec<usize> {
            self.asked.lock().unwrap().iter().map(|tables| tables.names.len()).collect()
        }
    }

    type Answer = Result<Option<String>, ClickHouseError>;

    /// Asks beside the caller.
    fn spawn_ask(together: &Arc<Together<String>>, server: &Arc<Server>, name: &str) -> JoinHandle<Answer> {
        let (together, server, table) = (Arc::clone(together), Arc::clone(server), table(name));
        tokio::spawn(async move { together.ask(&table, |tables| Arc::clone(&server).read(tables)).await })
    }

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test)
    }

    /// What all get who ask at once, in their order; as often as that.
    fn ask_all_again(server: &Arc<Server>, names: &[&str], times: usize) -> Vec<Vec<Answer>> {
        run(async {
            let together = Arc::new(Together::default());
            let mut all = Vec::new();
            for _ in 0..times {
                let jobs: Vec<_> = names.iter().map(|name| spawn_ask(&together, server, name)).collect();
                let mut answers = Vec::new();
                for job in jobs {
                    answers.push(job.await.unwrap());
                }
                assert!(together.waiting().is_empty(), "nobody is left");
                all.push(answers);
            }
            all
        })
    }

    fn ask_all(server: &Arc<Server>, names: &[&str]) -> Vec<Answer> {
        ask_all_again(server, names, 1).remove(0)
    }

    #[test]
    fn who_asks_at_once_is_answered_at_once_and_with_what_is_its_own() {
        let server = Server::new(1, |_| None);
        let found = ask_all(&server, &["d.a", "d.b", "e.a", "d.none", "d.a"]);
        let own = |name: &str| Ok(Some(name.to_owned()));
        assert_eq!(found, [own("a"), own("b"), own("a"), Ok(None), own("a")]);
        assert_eq!(server.asked(), [4, 1], "once for each database");
    }

    #[test]
    fn no_more_than_some_tables_are_asked_for_at_once() {
        let server = Server::new(1, |_| None);
        let names: Vec<String> = (0..120).map(|table| format!("d.t{table}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert!(ask_all(&server, &names).iter().all(|found| matches!(found, Ok(Some(_)))));
        assert_eq!(server.asked(), [20; 6]);
    }

    #[test]
    fn what_passes_is_shared_and_what_does_not_is_asked_alone() {
        fn silent(_: &Tables) -> Option<ClickHouseError> {
            Some(ClickHouseError::NoAnswer { asked: "a test", why: "cut".to_owned() })
        }
        fn one_is_broken(tables: &Tables) -> Option<ClickHouseError> {
            let broken = tables.names.iter().any(|name| name == "broken");
            broken.then(|| ClickHouseError::Strange { asked: "a test", what: "broken".to_owned() })
        }
        let server = Server::new(1, silent);
        assert!(ask_all(&server, &["d.a", "d.b", "d.c"]).iter().all(Result::is_err));
        assert_eq!(server.asked(), [3]);
        let server = Server::new(1, one_is_broken);
        let found = ask_all(&server, &["d.a", "d.broken", "d.c"]);
        assert_eq!(found.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(server.asked(), [3, 1, 1, 1]);
    }

    /// A statement takes too long because of one table: the others have their answers when they ask again.
    #[test]
    fn one_table_that_is_locked_does_not_keep_the_others_from_their_answers() {
        fn one_is_locked(tables: &Tables) -> Option<ClickHouseError> {
            let locked = tables.names.iter().any(|name| name == "locked");
            locked.then(|| ClickHouseError::NoAnswer { asked: "a test", why: "too late".to_owned() })
        }
        let server = Server::new(1, one_is_locked);
        let times = ask_all_again(&server, &["d.a", "d.locked", "d.c"], 3);
        let answered = |answers: &[Answer]| answers.iter().map(Result::is_ok).collect::<Vec<_>>();
        assert_eq!(answered(&times[0]), [false; 3]);
        assert_eq!(answered(&times[1]), [true, false, true]);
        assert_eq!(answered(&times[2]), [true, false, true]);
        let mut asked = server.asked();
        asked[4..].sort_unstable();
        assert_eq!(
            asked,
            [3, 1, 1, 1, 1, 2],
            "together, each alone, and those two together that were answered"
        );
    }

    /// What is asked for while a statement is under way may be younger than that statement.
    #[test]
    fn who_comes_later_is_not_answered_with_what_was_asked_before() {
        let server = Server::new(20, |_| None);
        run(async {
            let together = Arc::new(Together::default());
            let ask = |name| spawn_ask(&together, &server, name);
            let first = ask("d.a");
            tokio::time::sleep(Duration::from_millis(5)).await;
            let (second, dropped, third) = (ask("d.a"), ask("d.b"), ask("d.c"));
            tokio::time::sleep(Duration::from_millis(5)).await;
            dropped.abort();
            assert!(
                first.await.unwrap().is_ok() && second.await.unwrap().is_ok() && third.await.unwrap().is_ok()
            );
            assert!(together.waiting().is_empty());
        });
        assert_eq!(server.asked(), [1, 2], "the second is asked for again, the dropped one is not");
    }

    /// Whose turn it was is dropped in the middle: those it asked for are asked for again.
    #[test]
    fn nobody_is_left_waiting_for_one_who_was_dropped() {
        let server = Server::new(50, |_| None);
        run(async {
            let together = Arc::new(Together::default());
            let ask = |name: &str| spawn_ask(&together, &server, name);
            let mut jobs =
                BTreeMap::from(["a", "b", "c"].map(|name| (name.to_owned(), ask(&format!("d.{name}")))));
            tokio::time::sleep(Duration::from_millis(10)).await;
            let asking = server.asked.lock().unwrap()[0].names[0].clone();
            jobs.remove(&asking).unwrap().abort();
            for (name, job) in jobs {
                assert_eq!(job.await.unwrap(), Ok(Some(name)));
            }
        });
        assert_eq!(server.asked(), [3, 2]);
    }
}
